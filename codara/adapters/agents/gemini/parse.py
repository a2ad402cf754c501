"""Lines of `gemini --acp` and of ``-o stream-json``, read without any side effect."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from codara.adapters.agents.gemini.causes import cause_of, plainly
from codara.adapters.agents.gemini.reading import (
    GeminiEnded,
    GeminiReading,
    Read,
    drop_tool,
    speak,
    think,
    use_tool,
    used,
)
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    Frame,
    ToolFinished,
    ToolStarted,
    Warned,
)

Message = Mapping[str, Any]

_PROGRESS = frozenset({"agent_message_chunk", "agent_thought_chunk", "tool_call"})
_KINDS = {"execute": "command", "edit": "file_change", "delete": "file_change"}
_CHANGES = ("edit", "delete", "move")
_TOOLS = {
    "run_shell_command": "command",
    "write_file": "file_change",
    "replace": "file_change",
}
_MODE = re.compile(r"\[MODE_UPDATE\] \w+")
UNSAID = GeminiEnded("failed", "gemini did not say how the turn ended", "protocol")
_STOPS = {
    "cancelled": GeminiEnded("interrupted"),
    "max_tokens": GeminiEnded(
        "failed", "the conversation no longer fits the model", "context_full"
    ),
    "max_turn_requests": GeminiEnded(
        "failed", "gemini stopped by itself: it went round in circles", "protocol"
    ),
    "refusal": GeminiEnded("failed", "the model refused to answer", "content_filter"),
}


def acp_line(reading: GeminiReading, message: Message) -> Read:
    """Folds one line of the ACP process: an update of our session, or the prompt's answer."""
    if message.get("method") == "session/update":
        params = message.get("params") or {}
        if reading.deaf:
            return reading, ()
        if params.get("sessionId") not in (None, reading.session_id):
            return attrs.evolve(reading, astray=True), ()
        return _updated(reading, params.get("update") or {})
    if "method" in message:
        return reading, ()
    if "error" in message:
        error = message.get("error") or {}
        return attrs.evolve(reading, ended=failed(str(error.get("message")), error.get("code"))), ()
    result = message.get("result")
    if isinstance(result, dict) and "stopReason" in result:
        return _stopped(reading, result)
    return reading, ()


def stream_line(reading: GeminiReading, message: Message) -> Read:
    """Folds one line of ``stream-json``."""
    match message.get("type"):
        case "init":
            session_id = str(message.get("session_id"))
            return attrs.evolve(reading, session_id=session_id), (BackendSeen(session_id),)
        case "message" if message.get("role") == "assistant":
            return speak(reading, str(message.get("content") or ""))
        case "tool_use":
            return _tool_used(reading, message)
        case "tool_result":
            tool_id = str(message.get("tool_id"))
            ok = message.get("status") == "success"
            return drop_tool(reading, tool_id), (ToolFinished(tool_id, ok),)
        case "error":
            return reading, (Warned(str(message.get("message", ""))),)
        case "result":
            return _result(reading, message)
        case _:
            return reading, ()


def failed(message: str, code: object) -> GeminiEnded:
    """Returns what a refused prompt means."""
    status = code if isinstance(code, int) else None
    return GeminiEnded("failed", plainly(message), cause_of(message, status))


def is_progress(message: Message) -> bool:
    """Says whether the agent got on with the turn; what it tells of itself is no progress."""
    update = (message.get("params") or {}).get("update") or {}
    kind = str(update.get("sessionUpdate") or "")
    if kind in _PROGRESS or kind.startswith("tool_call"):
        return True
    return message.get("type") in ("message", "tool_use", "tool_result") and (
        message.get("role") != "user"
    )


def _updated(reading: GeminiReading, update: Message) -> Read:
    tool_id = str(update.get("toolCallId"))
    match update.get("sessionUpdate"):
        case "agent_message_chunk":
            text = _text(update)
            if _MODE.fullmatch(text):
                return reading, (Warned(text),)
            return speak(reading, text)
        case "agent_thought_chunk":
            return think(reading, _text(update).removeprefix("****\n"))
        case "tool_call":
            return _tool_called(reading, tool_id, update)
        case "tool_call_update" if update.get("status") in ("completed", "failed"):
            return _tool_ended(reading, tool_id, update)
        case _:
            return reading, ()


def _tool_called(reading: GeminiReading, tool_id: str, update: Message) -> Read:
    kind = _KINDS.get(str(update.get("kind")), "tool")
    return use_tool(reading, tool_id), (ToolStarted(tool_id, kind, str(update.get("title"))),)


def _tool_ended(reading: GeminiReading, tool_id: str, update: Message) -> Read:
    frames: list[Frame] = []
    if tool_id not in reading.running:
        reading, started = _tool_called(reading, tool_id, update)
        frames.extend(started)
    ok = update.get("status") == "completed"
    frames.append(ToolFinished(tool_id, ok))
    paths = tuple(_paths(update.get("locations")))
    if ok and paths and update.get("kind") in _CHANGES:
        frames.append(FileHint(paths))
    return drop_tool(reading, tool_id), tuple(frames)


def _tool_used(reading: GeminiReading, message: Message) -> Read:
    tool_id, name = str(message.get("tool_id")), str(message.get("tool_name"))
    given = message.get("parameters") or {}
    title = str(given.get("command") or given.get("file_path") or name)
    started = ToolStarted(tool_id, _TOOLS.get(name, "tool"), title)
    return use_tool(reading, tool_id), (started,)


def _stopped(reading: GeminiReading, result: Message) -> Read:
    reason = str(result["stopReason"])
    counts = ((result.get("_meta") or {}).get("quota") or {}).get("token_count") or {}
    unknown = GeminiEnded("failed", f"the agent ended the turn as {reason!r}", "protocol")
    ended = GeminiEnded("completed") if reason == "end_turn" else _STOPS.get(reason, unknown)
    return attrs.evolve(reading, ended=ended), used(counts)


def _result(reading: GeminiReading, message: Message) -> Read:
    frames = used(message.get("stats") or {})
    if message.get("status") == "success":
        return attrs.evolve(reading, ended=GeminiEnded("completed")), frames
    text = str((message.get("error") or {}).get("message") or "gemini gave no reason")
    return attrs.evolve(reading, ended=failed(text, None)), frames


def _text(update: Message) -> str:
    content = update.get("content")
    return str(content.get("text") or "") if isinstance(content, dict) else ""


def _paths(locations: Any) -> Iterable[str]:
    return (str(place["path"]) for place in locations or () if place.get("path"))
