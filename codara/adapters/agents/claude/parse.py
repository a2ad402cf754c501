"""Lines of claude's ``stream-json`` output, read without any side effect."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.reading import (
    ClaudeEnded,
    ClaudeReading,
    Read,
    Spent,
    begin,
    conclude,
    count,
    speak,
    think,
)
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    Frame,
    RetryNotice,
    ToolFinished,
    ToolStarted,
)

Message = Mapping[str, Any]

SYNTHETIC = "<synthetic>"
"""The model of messages that claude wrote itself: errors and answers to its own commands."""

_KINDS = {
    "Agent": "agent",
    "Bash": "command",
    "Edit": "file_change",
    "MultiEdit": "file_change",
    "NotebookEdit": "file_change",
    "Task": "agent",
    "Write": "file_change",
}
_TITLES = ("command", "file_path", "notebook_path", "description", "pattern", "url", "query")
_MODEL_USAGE = {
    "input_tokens": "inputTokens",
    "cache_read_input_tokens": "cacheReadInputTokens",
    "cache_creation_input_tokens": "cacheCreationInputTokens",
    "output_tokens": "outputTokens",
}
"""What a `usage` calls the counts of `modelUsage`."""
_NO_PROGRESS = frozenset({"api_retry", "status"})


def line(reading: ClaudeReading, message: Message) -> Read:
    """Folds one line; words of sub-agents are not this turn's, their tools are."""
    ours = message.get("parent_tool_use_id") is None
    match message.get("type"):
        case "system":
            return _system(reading, message)
        case "stream_event" if ours:
            return _streamed(reading, message.get("event") or {})
        case "assistant":
            return _said(reading, message, ours=ours)
        case "user":
            return _answered(reading, message)
        case "result":
            return _result(reading, message)
        case _:
            return reading, ()


def is_progress(message: Message) -> bool:
    """Says whether the agent got on with the turn; a retry or a change of status is no progress."""
    if message.get("type") == "system":
        return message.get("subtype") not in _NO_PROGRESS
    if message.get("type") == "stream_event":
        return (message.get("event") or {}).get("type") != "ping"
    return message.get("type") in ("assistant", "user", "result")


def _system(reading: ClaudeReading, message: Message) -> Read:
    match message.get("subtype"):
        case "init":
            thread_id = str(message.get("session_id"))
            seen = (BackendSeen(thread_id),) if thread_id != reading.thread_id else ()
            return attrs.evolve(reading, thread_id=thread_id), seen
        case "api_retry":
            after = attrs.evolve(reading, retries=reading.retries + 1)
            return after, (RetryNotice(_retry_text(message)),)
        case _:
            return reading, ()


def _streamed(reading: ClaudeReading, event: Message) -> Read:
    match event.get("type"):
        case "message_start":
            message = event.get("message") or {}
            message_id = str(message.get("id"))
            streamed = reading.streamed | {message_id}
            begun = begin(reading, message_id)
            after = attrs.evolve(begun, open=message_id, streamed=streamed)
            return count(after, message_id, message.get("usage") or {})
        case "content_block_delta":
            delta = event.get("delta") or {}
            if delta.get("type") == "text_delta":
                return speak(reading, reading.open or "", str(delta.get("text") or ""))
            if delta.get("type") == "thinking_delta":
                return think(reading, str(delta.get("thinking") or ""))
            return reading, ()
        case "message_delta":
            if stop := (event.get("delta") or {}).get("stop_reason"):
                reading = attrs.evolve(reading, stop=str(stop), settled=True)
            usage = event.get("usage") or {}
            return count(reading, reading.open, usage) if reading.open else (reading, ())
        case "message_stop":
            return attrs.evolve(reading, open=None, answered=True), ()
        case _:
            return reading, ()


def _said(reading: ClaudeReading, line: Message, *, ours: bool) -> Read:
    """A whole message: its tools begin now; its words came already, if they were streamed."""
    message = line.get("message") or {}
    if ours and isinstance(line.get("uuid"), str):
        reading = attrs.evolve(reading, mark=line["uuid"])
    if message.get("model") == SYNTHETIC:
        return attrs.evolve(reading, error=str(line.get("error") or "")), ()
    message_id = str(message.get("id"))
    fresh = ours and message_id not in reading.streamed
    frames: list[Frame] = []
    if fresh:
        if message_id != reading.latest:
            reading = begin(reading, message_id)
        reading = attrs.evolve(reading, answered=True, settled=True)
        reading, counted = count(reading, message_id, message.get("usage") or {})
        frames.extend(counted)
    for block in _blocks(message):
        reading, found = _block(reading, message_id, block, fresh=fresh)
        frames.extend(found)
    return reading, tuple(frames)


def _block(reading: ClaudeReading, message_id: str, block: Message, *, fresh: bool) -> Read:
    match block.get("type"):
        case "text" if fresh:
            return speak(reading, message_id, str(block.get("text") or ""))
        case "thinking" if fresh:
            return think(reading, str(block.get("thinking") or ""))
        case "tool_use":
            tool_id, name = str(block.get("id")), str(block.get("name"))
            title = _title(name, block.get("input") or {})
            running = reading.running | {tool_id}
            after = attrs.evolve(reading, running=running, settled=True)
            return after, (ToolStarted(tool_id, _KINDS.get(name, "tool"), title),)
        case _:
            return reading, ()


def _answered(reading: ClaudeReading, line: Message) -> Read:
    frames: list[Frame] = []
    for block in _blocks(line.get("message") or {}):
        if block.get("type") == "tool_result":
            tool_id = str(block.get("tool_use_id"))
            reading = attrs.evolve(reading, running=reading.running - {tool_id})
            frames.append(ToolFinished(tool_id, not block.get("is_error")))
    changed = line.get("tool_use_result")
    if frames and isinstance(changed, dict) and changed.get("structuredPatch") is not None:
        frames.append(FileHint((str(changed.get("filePath")),)))
    return reading, tuple(frames)


def _result(reading: ClaudeReading, message: Message) -> Read:
    thread_id = str(message.get("session_id") or reading.thread_id)
    reading, frames = _counted(attrs.evolve(reading, thread_id=thread_id), message)
    return attrs.evolve(reading, ended=_ended(reading, message)), frames


def _counted(reading: ClaudeReading, message: Message) -> Read:
    by_model = message.get("modelUsage") or {}
    tokens = {
        name: sum(int(each.get(theirs) or 0) for each in by_model.values())
        for name, theirs in _MODEL_USAGE.items()
    }
    spent = Spent(float(message.get("total_cost_usd") or 0.0), tokens)
    told = {"modelUsage": by_model} if by_model else {}
    return conclude(reading, spent, {**(message.get("usage") or {}), **told})


def _ended(reading: ClaudeReading, message: Message) -> ClaudeEnded:
    """A result called success is still a failure if it holds an error, if a message was cut
    off, or if the model never answered."""
    text = str(message.get("result") or "") or "; ".join(map(str, message.get("errors") or ()))
    if message.get("is_error") or message.get("subtype") != "success":
        return _failure(reading, message, text)
    if reading.open is not None or reading.broken:
        return ClaudeEnded("failed", "the model's answer broke off", "cut_stream")
    if not reading.answered:
        return ClaudeEnded("failed", text or "no model answered", "protocol")
    if not reading.summed:
        return ClaudeEnded("failed", "the model's answer broke off", "cut_stream")
    return ClaudeEnded("completed", stop=reading.stop or _last_stop(reading, message))


def _last_stop(reading: ClaudeReading, message: Message) -> str | None:
    """Returns why claude says the last message ended; reasons of earlier messages do not count."""
    stop = str(message.get("stop_reason") or "") or None
    return stop if stop != reading.before else None


def _failure(reading: ClaudeReading, message: Message, text: str) -> ClaudeEnded:
    if str(message.get("terminal_reason")).startswith("aborted"):
        return ClaudeEnded("interrupted", "the turn was interrupted")
    status = message.get("api_error_status")
    cause = cause_of(
        text,
        status=status if isinstance(status, int) else None,
        kind=reading.error,
        retried=reading.retries > 0,
    )
    return ClaudeEnded("failed", text or f"the agent ended with {message.get('subtype')!r}", cause)


def _title(name: str, given: Message) -> str:
    return str(next((given[key] for key in _TITLES if given.get(key)), name))


def _blocks(message: Message) -> Iterable[Message]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else ()
    return (block for block in blocks if isinstance(block, dict))


def _retry_text(message: Message) -> str:
    status = message.get("error_status")
    answered = f" (HTTP {status})" if status else ""
    attempt, most = message.get("attempt"), message.get("max_retries")
    return f"{message.get('error') or 'error'}{answered}, attempt {attempt} of {most}"
