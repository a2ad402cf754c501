"""What an agent does besides answering, as a stream may show it."""

from typing import Any

from codara.application.ports.frames import (
    FileHint,
    Frame,
    RetryNotice,
    ToolFinished,
    ToolStarted,
)

RETRYING = "retrying"
"""The comment that an agent tries again; why is for operators, as it may be a vendor's word."""


def event_of(frame: Frame) -> dict[str, Any] | None:
    """Returns the value of `codara_event` for a frame; None if the frame is not an activity."""
    match frame:
        case ToolStarted():
            told = {"tool_id": frame.tool_id, "tool": frame.kind, "title": frame.title}
            return {"type": "tool_started", **told}
        case ToolFinished():
            return {"type": "tool_finished", "tool_id": frame.tool_id, "ok": frame.ok}
        case FileHint():
            return {"type": "files_changed", "paths": list(frame.paths)}
        case RetryNotice():
            return {"type": "retry"}
        case _:
            return None
