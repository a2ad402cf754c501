"""Lines of `codex app-server` and of `codex exec --json`, read without any side effect."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.reading import (
    CodexEnded,
    CodexReading,
    Read,
    attend,
    begin,
    conclude,
    count,
    count_helper,
    exec_tokens,
    finish,
    said_again,
    server_tokens,
    speak,
    think,
    window,
)
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    QuotaSeen,
    RetryNotice,
    ToolFinished,
    ToolStarted,
    Warned,
)

Message = Mapping[str, Any]

QUOTA_SOURCE = "codex"

_MESSAGES = ("agentMessage", "agent_message")
_ASIDE = ("userMessage", "hookPrompt", "contextCompaction")
"""Items that are nothing the model says or does."""
_TOOLS = {
    "commandExecution": "command",
    "command_execution": "command",
    "fileChange": "file_change",
    "file_change": "file_change",
    "mcpToolCall": "mcp",
    "mcp_tool_call": "mcp",
    "dynamicToolCall": "tool",
    "collabAgentToolCall": "agent",
    "collab_tool_call": "agent",
    "imageGeneration": "image",
}


def appserver_line(reading: CodexReading, message: Message) -> Read:
    """Folds one notification of the app-server; answers to our own requests say nothing here.

    Words and ends of other threads (sub-agents) are not this turn's; their tools and tokens are.
    """
    method, params = message.get("method"), message.get("params") or {}
    ours = params.get("threadId") in (None, reading.thread_id)
    match method:
        case str() if method.startswith("item/"):
            return _item(reading, method, params, ours=ours)
        case "thread/tokenUsage/updated":
            return _counted(reading, params) if ours else _helped(reading, params)
        case "account/rateLimits/updated":
            return _limits(reading, params.get("rateLimits") or {})
        case "turn/plan/updated" if ours:
            return attrs.evolve(reading, answered=True), ()
        case "error" if ours and params.get("willRetry"):
            return reading, (RetryNotice(_retry_text(params.get("error") or {})),)
        case "turn/started" if ours:
            turn_id = str((params.get("turn") or {}).get("id"))
            return attrs.evolve(reading, turn_id=turn_id), ()
        case "turn/started" if reading.turn_id is not None:
            return attend(reading, str(params.get("threadId"))), ()
        case "turn/completed" if ours:
            return _ended(reading, params.get("turn") or {})
        case "warning" | "configWarning" | "guardianWarning" if ours:
            return reading, (Warned(str(params.get("message") or params.get("summary") or "")),)
        case _:
            return reading, ()


def exec_line(reading: CodexReading, message: Message) -> Read:
    """Folds one line of ``exec --json``; an `error` item is a warning, not a failure."""
    item = message.get("item") or {}
    match message.get("type"):
        case "thread.started":
            thread_id = str(message.get("thread_id"))
            return attrs.evolve(reading, thread_id=thread_id), (BackendSeen(thread_id),)
        case "item.started":
            return _started(reading, item, ours=True)
        case "item.completed" if item.get("type") == "error":
            return reading, (Warned(str(item.get("message", ""))),)
        case "item.completed":
            return _completed(reading, item, ours=True)
        case "error":
            return reading, _exec_retry(str(message.get("message", "")))
        case "turn.completed":
            usage = message.get("usage") or {}
            after, frames = count(reading, exec_tokens(usage), None, usage)
            return attrs.evolve(after, ended=CodexEnded("completed")), frames
        case "turn.failed":
            text = str((message.get("error") or {}).get("message", ""))
            return attrs.evolve(reading, ended=CodexEnded("failed", text, cause_of(text))), ()
        case _:
            return reading, ()


def is_progress(message: Message) -> bool:
    """Says whether the agent got on with the turn; a retry or a change of status is no progress."""
    name = str(message.get("method") or message.get("type") or "")
    return name.startswith(("item", "turn", "thread/tokenUsage", "thread.started"))


def _item(reading: CodexReading, method: str, params: Message, *, ours: bool) -> Read:
    match method:
        case "item/agentMessage/delta" if ours:
            item_id = str(params.get("itemId"))
            return speak(begin(reading, item_id), item_id, str(params.get("delta", "")))
        case "item/reasoning/summaryTextDelta" if ours:
            return _thought(reading, params, _part("summary", params.get("summaryIndex")))
        case "item/reasoning/textDelta" if ours:
            return _thought(reading, params, _part("content", params.get("contentIndex")))
        case "item/started":
            return _started(reading, params.get("item") or {}, ours=ours)
        case "item/completed":
            return _completed(reading, params.get("item") or {}, ours=ours)
        case _:
            return reading, ()


def _started(reading: CodexReading, item: Message, *, ours: bool) -> Read:
    item_id, kind = str(item.get("id")), str(item.get("type"))
    if kind in _TOOLS:
        return _tool_begun(reading, item_id, item)
    if ours and kind in _MESSAGES:
        return begin(reading, item_id), ()
    if ours and kind == "reasoning":
        return said_again(reading, item_id), ()
    return reading, ()


def _completed(reading: CodexReading, item: Message, *, ours: bool) -> Read:
    item_id, kind = str(item.get("id")), str(item.get("type"))
    if kind in _TOOLS:
        return _tool_ended(reading, item_id, item)
    if not ours or kind in _ASIDE:
        return reading, ()
    if kind in _MESSAGES:
        return finish(reading, item_id, str(item.get("text") or ""))
    if kind == "reasoning":
        return conclude(reading, item_id, _thoughts(item))
    return attrs.evolve(reading, answered=True), ()


def _tool_begun(reading: CodexReading, tool_id: str, item: Message) -> Read:
    running = reading.running | {tool_id}
    after = attrs.evolve(reading, running=running, heard=True, answered=True)
    return after, (ToolStarted(tool_id, _TOOLS[str(item["type"])], _title(item)),)


def _tool_ended(reading: CodexReading, tool_id: str, item: Message) -> Read:
    running = reading.running - {tool_id}
    after = attrs.evolve(reading, running=running, heard=True, answered=True)
    finished = ToolFinished(tool_id, item.get("status") == "completed")
    paths = tuple(_paths(item))
    return after, (finished, FileHint(paths)) if paths else (finished,)


def _title(item: Message) -> str:
    named = item.get("command") or item.get("tool") or ", ".join(_paths(item))
    return str(named or item.get("type"))


def _paths(item: Message) -> Iterable[str]:
    changes = item.get("changes") or ()
    return (str(change["path"]) for change in changes if "path" in change)


def _thought(reading: CodexReading, params: Message, part: str) -> Read:
    return think(reading, str(params.get("itemId")), part, str(params.get("delta", "")))


def _thoughts(item: Message) -> Iterable[tuple[str, str]]:
    """The parts of a whole reasoning, each by the name under which its pieces came."""
    if isinstance(item.get("text"), str):
        return [("text", str(item["text"]))]
    return [
        (_part(kind, at), text)
        for kind in ("summary", "content")
        for at, text in enumerate(item.get(kind) or ())
        if isinstance(text, str)
    ]


def _part(kind: str, index: object) -> str:
    return f"{kind} {index}"


def _counted(reading: CodexReading, params: Message) -> Read:
    """A report on an earlier turn, as there is one after a resume, says where this one begins."""
    usage = params.get("tokenUsage") or {}
    total = server_tokens(usage.get("total") or {})
    if params.get("turnId") not in (None, reading.turn_id):
        return attrs.evolve(reading, total=total), ()
    return count(reading, total, server_tokens(usage.get("last") or {}), usage)


def _helped(reading: CodexReading, params: Message) -> Read:
    usage = params.get("tokenUsage") or {}
    total, last = (server_tokens(usage.get(name) or {}) for name in ("total", "last"))
    return count_helper(reading, str(params.get("threadId")), total, last, usage)


def _limits(reading: CodexReading, limits: Message) -> Read:
    found = (window(name, limits.get(name)) for name in ("primary", "secondary"))
    windows = tuple(seen for seen in found if seen is not None)
    if not windows or windows == reading.windows:
        return reading, ()
    return attrs.evolve(reading, windows=windows), (QuotaSeen(QUOTA_SOURCE, windows),)


def _ended(reading: CodexReading, turn: Message) -> Read:
    if reading.turn_id != turn.get("id"):
        return reading, ()
    error = turn.get("error") or {}
    status, text = str(turn.get("status")), str(error.get("message") or "")
    cause = cause_of(text, error.get("codexErrorInfo")) if status == "failed" else None
    return attrs.evolve(reading, ended=CodexEnded(status, text, cause)), ()


def _retry_text(error: Message) -> str:
    return ": ".join(
        str(part) for part in (error.get("message"), error.get("additionalDetails")) if part
    )


def _exec_retry(text: str) -> tuple[RetryNotice, ...]:
    return (RetryNotice(text),) if text.startswith("Reconnecting") else ()
