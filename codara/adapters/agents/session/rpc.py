"""JSON-RPC lines with a long-lived agent: our requests, its answers, its notifications."""

import itertools
from collections.abc import Mapping
from typing import Any

from codara.adapters.agents.session.answers import AgentRefused
from codara.adapters.agents.session.exchange import Exchange
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.output import Heard
from codara.adapters.jail.jail import Jail

_UNSUPPORTED = {"code": -32601, "message": "this client answers no requests"}
_NO_STAMP: Mapping[str, str] = {}


class Rpc(Exchange[int]):
    """Calls one agent over its streams, and hears what it writes.

    `heard` is called with every line and the message in it, after an answer was handed to its
    caller. Answers to quiet calls go to their caller alone. `stamp` is part
    of every message we send.
    """

    def __init__(self, jail: Jail, heard: Heard, *, stamp: Mapping[str, str] = _NO_STAMP) -> None:
        super().__init__(jail, heard)
        self._stamp = stamp
        self._numbers = itertools.count(1)
        self._quiet: set[int] = set()

    async def call(self, method: str, *, quiet: bool = False, **params: Any) -> Mapping[str, Any]:
        """Sends a request and waits for its result; Refused when refused, Gone at the end."""
        number = next(self._numbers)
        if quiet:
            self._quiet.add(number)
        request = {"id": number, "method": method, "params": params}
        return await self._ask(number, {**self._stamp, **request})

    async def notify(self, method: str, **params: Any) -> None:
        told = {"params": params} if params else {}
        await self._send({**self._stamp, "method": method, **told})

    def _take(self, line: bytes, message: Message | None) -> None:
        if message is not None and "id" in message:
            number = _number(message)
            if "method" in message:
                self._decline({**self._stamp, "id": message["id"], "error": _UNSUPPORTED})
            else:
                self._answered(number, _answer(message))
            if number in self._quiet:
                self._quiet.discard(number)
                return
        self._heard(line, message)


def refused(error: object) -> AgentRefused:
    """Returns what the error of an answer means."""
    if not isinstance(error, dict):
        return AgentRefused(str(error))
    data = error.get("data")
    details = data.get("details") if isinstance(data, dict) else None
    code = error.get("code")
    message = str(details or error.get("message", error))
    return AgentRefused(message, code if isinstance(code, int) else None)


def _number(message: Message) -> int:
    """Returns the number of our request that a message answers; 0, which none has, if none."""
    number = message["id"]
    return number if isinstance(number, int) else 0


def _answer(message: Message) -> Mapping[str, Any] | AgentRefused:
    if "error" in message:
        return refused(message["error"])
    result = message.get("result") or {}
    if isinstance(result, dict):
        return result
    return AgentRefused(f"the answer is no object: {result!r:.200}")
