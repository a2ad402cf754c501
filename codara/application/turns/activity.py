"""What an agent did in a turn, and when: its tools, its retries, its complaints."""

from datetime import datetime
from typing import Any

import attrs
import orjson

from codara.application.ports.frames import Frame, RetryNotice, ToolFinished, ToolStarted, Warned

MOST_DEEDS = 1_000
LONGEST_TEXT = 1_000
"""Characters kept of one title, reason or message."""


@attrs.define
class Deed:
    """One thing the agent did; one without an `end` was never finished."""

    name: str
    start: datetime
    end: datetime | None
    attributes: dict[str, Any]


@attrs.define
class ActivityRecorder:
    """The first `MOST_DEEDS` deeds of a turn, and how many came after them."""

    deeds: list[Deed] = attrs.field(factory=list)
    left_out: int = 0
    _running: dict[str, Deed] = attrs.field(factory=dict, init=False)

    def note(self, frame: Frame, at: datetime) -> None:
        """Keeps what the frame tells of a tool, a retry or a complaint; passes others over."""
        match frame:
            case ToolStarted():
                told = {"tool_id": frame.tool_id, "kind": frame.kind, "title": frame.title}
                tool = self._keep("tool", at, None, told)
                if tool is not None:
                    tool.attributes["ok"] = None
                    self._running[frame.tool_id] = tool
            case ToolFinished():
                self._finish(frame, at)
            case RetryNotice():
                self._keep("retry", at, at, {"reason": frame.reason})
            case Warned():
                self._keep("warning", at, at, {"message": frame.message})
            case _:
                pass

    def as_json(self) -> bytes:
        """Returns what `TurnEnd.activity` holds; empty if the agent did nothing of the kind."""
        if not self.deeds:
            return b""
        deeds = [attrs.asdict(deed) for deed in self.deeds]
        return orjson.dumps({"deeds": deeds, "left_out": self.left_out})

    def _keep(
        self, name: str, start: datetime, end: datetime | None, told: dict[str, str]
    ) -> Deed | None:
        if len(self.deeds) >= MOST_DEEDS:
            self.left_out += 1
            return None
        attributes = {key: _kept(text) for key, text in told.items()}
        deed = Deed(name, start, end, attributes)
        self.deeds.append(deed)
        return deed

    def _finish(self, finished: ToolFinished, at: datetime) -> None:
        tool = self._running.pop(finished.tool_id, None)
        if tool is not None:
            tool.end = at
            tool.attributes["ok"] = finished.ok


def _kept(text: str) -> str:
    """The beginning of the text, without surrogates that stand alone."""
    return text[:LONGEST_TEXT].encode(errors="replace").decode()
