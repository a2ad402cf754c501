"""JSON-RPC lines with a long-lived agent: our requests, its answers, its notifications."""

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

_UNSUPPORTED = {"code": -32601, "message": "this client answers no requests"}
_NO_STAMP: Mapping[str, str] = {}


class Rpc:
    """One agent's streams.

    `heard` is called with every line it writes and the message in it, after answers were handed
    to whoever waits for them; answers to quiet calls are nobody else's business. `stamp` is part
    of every message we send.
    """

    def __init__(
        self,
        jail: Jail,
        heard: Callable[[bytes, Message | None], None],
        *,
        stamp: Mapping[str, str] = _NO_STAMP,
    ) -> None:
        self._jail = jail
        self._stamp = stamp
        self._heard = heard
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._quiet: set[int] = set()
        self._output = Output(jail, self._take)
        self._output.when_ended(self._forsake)

    @property
    def alive(self) -> bool:
        return self._output.alive

    async def ended(self) -> Exit:
        return await self._output.ended()

    def when_ended(self, call: Callable[[], None]) -> None:
        self._output.when_ended(call)

    async def call(self, method: str, *, quiet: bool = False, **params: Any) -> Mapping[str, Any]:
        """Sends a request and waits for its result; Refused when refused, Gone at the end."""
        if not self.alive:
            raise Gone
        number = next(self._numbers)
        if quiet:
            self._quiet.add(number)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self._send({"id": number, "method": method, "params": params})
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def notify(self, method: str, **params: Any) -> None:
        await self._send({"method": method} | ({"params": params} if params else {}))

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._jail.stdin.write(self._line(message))
            await self._jail.stdin.drain()
        except (OSError, RuntimeError) as error:
            raise Gone from error

    def _line(self, message: Mapping[str, Any]) -> bytes:
        return orjson.dumps({**self._stamp, **message}) + b"\n"

    def _take(self, line: bytes, message: Message | None) -> None:
        if message is not None and "id" in message:
            self._answered(message)
            if (number := _number(message)) in self._quiet:
                self._quiet.discard(number)
                return
        self._heard(line, message)

    def _answered(self, message: Message) -> None:
        if "method" in message:
            refusal = {"id": message["id"], "error": _UNSUPPORTED}
            output.answer(self._jail, self._line(refusal))
            return
        waiting = self._waiting.get(_number(message))
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(_refused(message["error"]))
            return
        result = message.get("result") or {}
        if isinstance(result, dict):
            waiting.set_result(result)
        else:
            waiting.set_exception(Refused(f"the answer is no object: {result!r:.200}"))

    def _forsake(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone())


def _number(message: Message) -> int:
    """Which request of ours a message answers; 0, which none has, if it is none's."""
    number = message["id"]
    return number if isinstance(number, int) else 0


def _refused(error: object) -> Refused:
    if not isinstance(error, dict):
        return Refused(str(error))
    data = error.get("data")
    details = data.get("details") if isinstance(data, dict) else None
    code = error.get("code")
    message = str(details or error.get("message", error))
    return Refused(message, code if isinstance(code, int) else None)
