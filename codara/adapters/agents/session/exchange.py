"""Questions to an agent that stays, each waiting for its answer, whatever the protocol."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import orjson

from codara.adapters.agents.session import output
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.output import Exit, Heard, Output
from codara.adapters.jail.jail import Jail

K = TypeVar("K", int, str)


class Exchange(ABC, Generic[K]):
    """One agent's streams; `K` is how its protocol numbers our questions.

    `heard` is called with every line that the protocol leaves for it.
    """

    def __init__(self, jail: Jail, heard: Heard) -> None:
        self._jail = jail
        self._heard = heard
        self._waiting: dict[K, asyncio.Future[Mapping[str, Any]]] = {}
        self._output = Output(jail, self._take)
        self._output.when_ended(self._forsake)

    @property
    def alive(self) -> bool:
        return self._output.alive

    async def ended(self) -> Exit:
        return await self._output.ended()

    def when_ended(self, call: Callable[[], None]) -> None:
        self._output.when_ended(call)

    @abstractmethod
    def _take(self, line: bytes, message: Message | None) -> None:
        """Sorts a line: an answer to us, a question of the agent's, or one for `heard`."""

    async def _ask(self, number: K, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Sends a question and waits for its answer; Refused, or Gone at the end."""
        if not self.alive:
            raise Gone
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._send(message)
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _send(self, message: Mapping[str, Any]) -> None:
        """Says something to the agent; Gone if it is."""
        try:
            self._jail.stdin.write(_line(message))
            await self._jail.stdin.drain()
        except (OSError, RuntimeError) as error:
            raise Gone from error

    def _decline(self, message: Mapping[str, Any]) -> None:
        """Answers a question of the agent's, and does not wait; TooMuch if it never listens.

        One that has ended meanwhile is not answered.
        """
        with contextlib.suppress(OSError, RuntimeError):
            output.answer(self._jail, _line(message))

    def _answered(self, number: K, answer: Mapping[str, Any] | AgentRefused) -> None:
        """Hands the answer to the one who waits for it, if somebody still does."""
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, AgentRefused):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    def _forsake(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone())


def _line(message: Mapping[str, Any]) -> bytes:
    return orjson.dumps(message) + b"\n"
