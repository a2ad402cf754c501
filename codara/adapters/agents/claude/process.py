"""Lines with a claude that stays: what we say and ask, and what it answers."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from codara.adapters.agents.session import output
from codara.adapters.agents.session.answers import Gone, Refused
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.output import Exit, Output
from codara.adapters.jail.jail import Jail


class Process:
    """One claude's streams; `heard` is called with every line that answers no question of ours."""

    def __init__(self, jail: Jail, heard: Callable[[bytes, Message | None], None]) -> None:
        self._jail = jail
        self._heard = heard
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._output = Output(jail, self._take)
        self._output.when_ended(self._forsake)

    @property
    def alive(self) -> bool:
        return self._output.alive

    async def ended(self) -> Exit:
        return await self._output.ended()

    def when_ended(self, call: Callable[[], None]) -> None:
        self._output.when_ended(call)

    async def say(self, message: Mapping[str, Any]) -> None:
        """Gives claude the line that begins a turn; Gone if it is."""
        await self._send(message)

    async def ask(self, subtype: str, **fields: Any) -> Mapping[str, Any]:
        """Asks for something besides a turn and waits; Refused, or Gone at the end."""
        if not self.alive:
            raise Gone
        number = f"codara-{next(self._numbers)}"
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._send(_control("request", number, subtype=subtype, **fields))
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._jail.stdin.write(orjson.dumps(message) + b"\n")
            await self._jail.stdin.drain()
        except (OSError, RuntimeError) as error:
            raise Gone from error

    def _take(self, line: bytes, message: Message | None) -> None:
        match message and message.get("type"):
            case "control_response" if message:
                self._answered(message.get("response") or {})
            case "control_request" if message:
                self._decline(str(message.get("request_id")))
            case _:
                self._heard(line, message)

    def _answered(self, response: Mapping[str, Any]) -> None:
        waiting = self._waiting.get(str(response.get("request_id")))
        if waiting is None or waiting.done():
            return
        if response.get("subtype") == "success":
            waiting.set_result(response.get("response") or {})
        else:
            waiting.set_exception(Refused(str(response.get("error") or response)))

    def _decline(self, request_id: str) -> None:
        answer = {"subtype": "error", "request_id": request_id, "error": "nobody is asked here"}
        message = {"type": "control_response", "response": answer}
        output.answer(self._jail, orjson.dumps(message) + b"\n")

    def _forsake(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone())


def _control(kind: str, number: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"control_{kind}", "request_id": number, kind: fields}
