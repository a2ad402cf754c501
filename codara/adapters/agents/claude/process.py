"""Lines with a claude that stays: what we say and ask, and what it answers."""

import itertools
from collections.abc import Mapping
from typing import Any

from codara.adapters.agents.session.answers import AgentRefused
from codara.adapters.agents.session.exchange import Exchange
from codara.adapters.agents.session.lines import Message
from codara.adapters.agents.session.output import Heard
from codara.adapters.jail.jail import Jail


class ClaudeProcess(Exchange[str]):
    """One claude's streams; `heard` is called with every line that answers no question of ours."""

    def __init__(self, jail: Jail, heard: Heard) -> None:
        super().__init__(jail, heard)
        self._numbers = itertools.count(1)

    async def say(self, message: Mapping[str, Any]) -> None:
        """Gives claude the line that begins a turn; Gone if it is."""
        await self._send(message)

    async def ask(self, subtype: str, **fields: Any) -> Mapping[str, Any]:
        """Asks for something besides a turn and waits; Refused, or Gone at the end."""
        number = f"codara-{next(self._numbers)}"
        request = {"subtype": subtype, **fields}
        message = {"type": "control_request", "request_id": number, "request": request}
        return await self._ask(number, message)

    def _take(self, line: bytes, message: Message | None) -> None:
        told = message or {}
        match told.get("type"):
            case "control_response":
                response = told.get("response") or {}
                self._answered(str(response.get("request_id")), _answer(response))
            case "control_request":
                self._decline(_refusal(str(told.get("request_id"))))
            case _:
                self._heard(line, message)


def _answer(response: Mapping[str, Any]) -> Mapping[str, Any] | AgentRefused:
    if response.get("subtype") == "success":
        return response.get("response") or {}
    return AgentRefused(str(response.get("error") or response))


def _refusal(request_id: str) -> Mapping[str, Any]:
    answer = {"subtype": "error", "request_id": request_id, "error": "nobody is asked here"}
    return {"type": "control_response", "response": answer}
