"""Events of `opencode serve` and lines of `opencode run --format json`, without side effects."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import attrs

from codara.adapters.agents.opencode.causes import Retry, cause_of_error
from codara.adapters.agents.opencode.reading import Failure, OpenCodeReading, Read, count, speak
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    Frame,
    RetryNotice,
    ToolFinished,
    ToolStarted,
)

Message = Mapping[str, Any]

_KINDS = {
    "bash": "command",
    "write": "file_change",
    "edit": "file_change",
    "patch": "file_change",
    "multiedit": "file_change",
    "apply_patch": "file_change",
    "task": "agent",
}
_CHANGES = frozenset(tool for tool, kind in _KINDS.items() if kind == "file_change")
_PROGRESS = frozenset(
    {"message.part.delta", "message.part.updated", "text", "reasoning", "tool_use", "step_finish"}
)


def serve_event(reading: OpenCodeReading, message: Message) -> Read:
    """Folds one event, or the answer to the prompt: an object with `info` and `parts`."""
    if "info" in message:
        return _answered(reading, message)
    properties = message.get("properties") or {}
    ours = properties.get("sessionID") == reading.session_id
    match message.get("type"):
        case "message.updated":
            return _introduced(reading, properties.get("info") or {}), ()
        case "message.part.delta" if properties.get("messageID") in reading.speakers:
            return _delta(reading, properties)
        case "message.part.updated":
            return _part(reading, properties.get("part") or {})
        case "session.status" if ours:
            return _status(reading, properties.get("status") or {})
        case "session.error" if ours:
            return _failed(reading, properties.get("error") or {}), ()
        case "session.idle" if ours:
            return attrs.evolve(reading, answered=True), ()
        case _:
            return reading, ()


def run_line(reading: OpenCodeReading, message: Message) -> Read:
    """Folds one line of ``run``: whole parts only, all of one session."""
    part = message.get("part") or {}
    session_id = str(message.get("sessionID"))
    greeting: tuple[Frame, ...] = ()
    if reading.session_id is None and "sessionID" in message:
        reading = attrs.evolve(reading, session_id=session_id)
        greeting = (BackendSeen(session_id),)
    after, frames = _run_part(reading, message, part)
    return after, (*greeting, *frames)


def is_progress(message: Message) -> bool:
    """Says whether the agent got on with the turn; a retry or a change of status is no progress."""
    return message.get("type") in _PROGRESS or "info" in message


def _run_part(reading: OpenCodeReading, message: Message, part: Message) -> Read:
    match message.get("type"):
        case "step_start":
            return attrs.evolve(reading, finish=None, stepping=True), ()
        case "text" | "reasoning" if not part.get("synthetic"):
            return _whole(reading, part)
        case "tool_use":
            return _tool(reading, part)
        case "step_finish":
            after, frames = count(reading, part)
            finish, mark = str(part.get("reason")), str(part.get("messageID"))
            return attrs.evolve(after, finish=finish, stepping=False, mark=mark), frames
        case "error":
            return _failed(reading, message.get("error") or {}), ()
        case _:
            return reading, ()


def _answered(reading: OpenCodeReading, answer: Message) -> Read:
    """The last message once more and as a whole: what its events did not bring is taken here."""
    reading = _introduced(reading, answer["info"])
    events = ({"type": "message.part.updated", "properties": {"part": p}} for p in answer["parts"])
    nothing: tuple[Frame, ...] = ()
    reading, frames = reduce(_and, events, (reading, nothing))
    failure = reading.failure or reading.fault or _no_answer(reading, answer["info"])
    mark = str(answer["info"]["id"])
    return attrs.evolve(reading, failure=failure, answered=True, mark=mark), frames


def _no_answer(reading: OpenCodeReading, info: Message) -> Failure | None:
    """What makes the last message none of ours, or none at all."""
    if info.get("sessionID") not in (None, reading.session_id):
        return Failure("unknown_session", "the agent went on in another session")
    if info.get("finish") is None:
        return Failure("protocol", "the agent ended the turn without saying how")
    return None


def _and(so_far: Read, event: Message) -> Read:
    reading, frames = serve_event(so_far[0], event)
    return reading, (*so_far[1], *frames)


def _introduced(reading: OpenCodeReading, info: Message) -> OpenCodeReading:
    """A message of the assistant made in this turn; a summary's words are not the answer."""
    message_id, time = str(info.get("id")), info.get("time") or {}
    if info.get("role") != "assistant" or (time.get("created") or 0) < reading.since:
        return reading
    if time.get("completed"):
        reading = attrs.evolve(reading, closed=reading.closed | {message_id})
    reading = attrs.evolve(reading, workers=reading.workers | {message_id})
    if info.get("sessionID") != reading.session_id:
        return reading
    if info.get("error") and reading.fault is None:
        reading = attrs.evolve(reading, fault=_failure(info["error"]))
    if info.get("summary") or info.get("mode") == "compaction":
        return reading
    finish = info.get("finish")
    speakers = reading.speakers | {message_id}
    return attrs.evolve(reading, speakers=speakers, finish=None if finish is None else str(finish))


def _delta(reading: OpenCodeReading, properties: Message) -> Read:
    if properties.get("field") != "text":
        return reading, ()
    return speak(reading, str(properties.get("partID")), str(properties.get("delta", "")))


def _part(reading: OpenCodeReading, part: Message) -> Read:
    message_id = part.get("messageID")
    match part.get("type"):
        case "text" | "reasoning" if message_id in reading.speakers and not part.get("synthetic"):
            return _whole(reading, part)
        case "tool" if message_id in reading.workers:
            return _tool(reading, part)
        case "step-finish" if message_id in reading.workers:
            return count(reading, part)
        case _:
            return reading, ()


def _whole(reading: OpenCodeReading, part: Message) -> Read:
    part_id, text = str(part.get("id")), str(part.get("text") or "")
    if part.get("type") == "reasoning":
        reading = attrs.evolve(reading, thoughts=reading.thoughts | {part_id})
    return speak(reading, part_id, text[reading.said.get(part_id, 0) :])


def _tool(reading: OpenCodeReading, part: Message) -> Read:
    tool_id, state = str(part.get("callID")), part.get("state") or {}
    frames: list[Frame] = []
    if tool_id not in reading.begun and state.get("status") != "pending":
        reading = attrs.evolve(
            reading,
            begun=reading.begun | {tool_id},
            running=reading.running | {tool_id},
            spoke=True,
        )
        frames.append(_begun(tool_id, part, state))
    if tool_id in reading.running and state.get("status") in ("completed", "error"):
        reading = attrs.evolve(reading, running=reading.running - {tool_id})
        frames.append(ToolFinished(tool_id, state["status"] == "completed"))
        paths = _paths(str(part.get("tool")), state)
        frames.extend((FileHint(paths),) if paths else ())
    return reading, tuple(frames)


def _begun(tool_id: str, part: Message, state: Message) -> ToolStarted:
    tool, given = str(part.get("tool")), state.get("input") or {}
    named = (given.get(name) for name in ("command", "filePath", "description", "pattern"))
    title = next((str(each) for each in named if each), tool)
    return ToolStarted(tool_id, _KINDS.get(tool, "tool"), title)


def _paths(tool: str, state: Message) -> tuple[str, ...]:
    if tool not in _CHANGES:
        return ()
    about = state.get("metadata") or {}
    change = about.get("filediff") or {}
    path = change.get("file") or about.get("filepath") or (state.get("input") or {}).get("filePath")
    return (str(path),) if path else ()


def _status(reading: OpenCodeReading, status: Message) -> Read:
    if status.get("type") != "retry":
        return attrs.evolve(reading, answered=False, retry=None), ()
    after = status.get("next")
    retry = Retry(
        int(status.get("attempt") or 1),
        str(status.get("message") or ""),
        int(after) if isinstance(after, int | float) else None,
    )
    return attrs.evolve(reading, retry=retry), (RetryNotice(retry.message),)


def _failed(reading: OpenCodeReading, error: Message) -> OpenCodeReading:
    if reading.failure is not None:
        return reading
    return attrs.evolve(reading, failure=_failure(error))


def _failure(error: Message) -> Failure:
    text = str((error.get("data") or {}).get("message") or error.get("name") or "unknown error")
    return Failure(cause_of_error(error), text)
