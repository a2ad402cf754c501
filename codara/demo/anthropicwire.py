"""Anthropic's Messages API as the agent CLI speaks it: requests apart, moves into events."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from aiohttp import web

from codara.demo.responses import command
from codara.demo.script import Call, Move, Refuse, ScriptedAnswer, ScriptedConversation, Silence

Decide = Callable[[web.Request, ScriptedConversation], Move]
"""Remembers a request, and says what to do with it."""
Event = Mapping[str, Any]

_ADDED = re.compile(
    r"\s*(<(system-reminder|local-command|command-)|\[(Request|The turn|Your previous) .*\]"
    r"|Output token limit hit\.)"
)
_ENDS = {"done": "end_turn", "length": "max_tokens", "filter": "refusal"}
_FILE_TOOLS = frozenset({"Write", "Edit", "MultiEdit"})
_USAGE = {"input_tokens": 70, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 40}
_ERRORS = {
    "401": (401, "authentication_error", "invalid x-api-key"),
    "429": (429, "rate_limit_error", "This request would exceed your account's rate limit."),
    "429quota": (429, "rate_limit_error", "This request would exceed your account's rate limit."),
    "503": (529, "overloaded_error", "Overloaded"),
    "context": (400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"),
    "nomodel": (404, "not_found_error", "model: {model}"),
}
_BROKEN = (500, "api_error", "Internal server error")


@attrs.frozen
class AnthropicRequest:
    """One POST: the conversation, the files its tools have read or written, the last one's end."""

    conversation: ScriptedConversation
    known_files: frozenset[str]
    refused: bool


class Messages:
    """The routes of one server."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._numbers = itertools.count(1)

    def add_routes(self, app: web.Application) -> None:
        for prefix in ("", "/anthropic"):
            app.router.add_post(f"{prefix}/v1/messages", self._messages)
            app.router.add_head(prefix or "/", _here)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        asked = read(await request.json(), request.headers.get("x-claude-code-session-id", ""))
        move = self._decide(request, asked.conversation)
        match move:
            case Refuse():
                return refusal(move, asked.conversation.model)
            case Silence():
                return await _never()
            case Call() | ScriptedAnswer():
                return await self._stream(request, asked, move)

    async def _stream(
        self, request: web.Request, asked: AnthropicRequest, move: Call | ScriptedAnswer
    ) -> web.StreamResponse:
        number = next(self._numbers)
        headers = {"Content-Type": "text/event-stream", **quota_headers(move.quota)}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        await asyncio.sleep(move.pause)
        await stream.write(encode(opening(f"msg_{number}", asked.conversation.model)))
        if isinstance(move, ScriptedAnswer) and move.ending == "thinking":
            return await _break_off(stream, move.thought)
        for event in thought(move.thought) if move.thought else ():
            await stream.write(encode(event))
        at = 1 if move.thought else 0
        if isinstance(move, Call):
            for event in tool_call(move, asked, f"toolu_{number}", at):
                await stream.write(encode(event))
            return await _end(stream, "tool_use")
        return await _say(request, stream, move, at)


def read(body: Mapping[str, Any], key: str) -> AnthropicRequest:
    """Takes a request's body apart; what the CLI adds for itself is no prompt."""
    prompts: list[str] = []
    done, refused = 0, False
    uses: dict[str, Mapping[str, Any]] = {}
    for message in body.get("messages", []):
        for block in _blocks(message.get("content")):
            if block.get("type") == "tool_use":
                uses[str(block.get("id"))] = block
            elif block.get("type") == "tool_result":
                used = uses.get(str(block.get("tool_use_id")), {})
                refused = bool(block.get("is_error")) and used.get("name") in _FILE_TOOLS
                done += not refused
            elif message.get("role") == "user" and _is_prompt(block):
                prompts.append(str(block["text"]).strip())
                done, refused = 0, False
            elif block.get("type") == "image" and prompts:
                prompts[-1] += f"\n[{(block.get('source') or {}).get('media_type')}]"
    instructions = tuple(str(block.get("text")) for block in _blocks(body.get("system")))
    model = str(body.get("model", ""))
    conversation = ScriptedConversation(key, model, instructions, tuple(prompts), done)
    files = (use.get("input", {}).get("file_path") for use in uses.values())
    return AnthropicRequest(conversation, frozenset(str(file) for file in files if file), refused)


def opening(message_id: str, model: str) -> Event:
    named = {"id": message_id, "type": "message", "role": "assistant", "model": model}
    empty: Event = {"content": [], "stop_reason": None, "stop_sequence": None}
    usage = {**_USAGE, "output_tokens": 1}
    return {"type": "message_start", "message": {**named, **empty, "usage": usage}}


def thought(text: str) -> Iterator[Event]:
    """A whole thinking block; it is the first of its message."""
    yield _start(0, {"type": "thinking", "thinking": "", "signature": ""})
    yield _delta(0, {"type": "thinking_delta", "thinking": text})
    yield _delta(0, {"type": "signature_delta", "signature": "c2NyaXB0ZWQ="})
    yield {"type": "content_block_stop", "index": 0}


def tool_call(call: Call, asked: AnthropicRequest, call_id: str, at: int) -> Iterator[Event]:
    """The call of a tool: for files the agent's own, for the rest the shell.

    The agent refuses to touch files it has not read; then, too, the shell does it.
    """
    name, arguments = _tool(call, asked)
    yield _start(at, {"type": "tool_use", "id": call_id, "name": name, "input": {}})
    yield _delta(at, {"type": "input_json_delta", "partial_json": json.dumps(arguments)})
    yield {"type": "content_block_stop", "index": at}


def refusal(move: Refuse, model: str) -> web.Response:
    """Returns an error as Anthropic words it."""
    status, kind, message = _ERRORS.get(move.kind, _BROKEN)
    headers = quota_headers(move.quota)
    if move.kind == "429":
        headers |= {"Retry-After": "2"}
    if move.kind == "429quota":
        headers |= {"Retry-After": "3600", **quota_headers(100)}
    error = {"type": kind, "message": message.format(model=model)}
    body = {"type": "error", "error": error, "request_id": "req_scripted"}
    return web.json_response(body, status=status, headers=headers)


def quota_headers(percent: float | None) -> dict[str, str]:
    """Returns the limits of a subscription: five hours, and seven days with half as much used."""
    if percent is None:
        return {}
    now = int(time.time())
    status = "rejected" if percent >= 100 else "allowed"
    name = "anthropic-ratelimit-unified"
    return {
        f"{name}-status": status,
        f"{name}-reset": str(now + 3600),
        f"{name}-representative-claim": "five_hour",
        f"{name}-5h-status": status,
        f"{name}-5h-utilization": f"{percent / 100:g}",
        f"{name}-5h-reset": str(now + 3600),
        f"{name}-7d-status": "allowed",
        f"{name}-7d-utilization": f"{percent / 200:g}",
        f"{name}-7d-reset": str(now + 86_400),
    }


def encode(event: Event) -> bytes:
    """One server-sent event."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _tool(call: Call, asked: AnthropicRequest) -> tuple[str, Mapping[str, Any]]:
    step = call.step
    if step.kind == "delegate":
        return "Agent", {"description": "A part of the script", "prompt": step.text}
    if step.kind == "write" and not asked.refused:
        return "Write", {"file_path": step.target, "content": step.text}
    if step.kind == "edit" and step.target in asked.known_files and not asked.refused:
        old, _, new = step.text.partition("=>")
        return "Edit", {"file_path": step.target, "old_string": old, "new_string": new}
    return "Bash", {"command": command(step), "description": "Carry out the script"}


def _start(at: int, block: Mapping[str, Any]) -> Event:
    return {"type": "content_block_start", "index": at, "content_block": block}


def _delta(at: int, delta: Mapping[str, Any]) -> Event:
    return {"type": "content_block_delta", "index": at, "delta": delta}


async def _say(
    request: web.Request, stream: web.StreamResponse, move: ScriptedAnswer, at: int
) -> web.StreamResponse:
    await stream.write(encode(_start(at, {"type": "text", "text": ""})))
    for piece in move.pieces:
        await stream.write(encode(_delta(at, {"type": "text_delta", "text": piece})))
        await asyncio.sleep(move.between)
    if move.ending == "hang":
        return await _never()
    if move.ending == "drop" and request.transport is not None:
        request.transport.abort()
    if move.breaks_off:
        return stream
    await stream.write(encode({"type": "content_block_stop", "index": at}))
    return await _end(stream, _ENDS.get(move.ending, move.ending))


async def _break_off(stream: web.StreamResponse, text: str) -> web.StreamResponse:
    """An error in the middle of a thought; behind the thought's end claude would give up."""
    _, kind, message = _ERRORS["503"]
    opened = itertools.islice(thought(text), 2)
    for event in (*opened, {"type": "error", "error": {"type": kind, "message": message}}):
        await stream.write(encode(event))
    return stream


async def _end(stream: web.StreamResponse, reason: str) -> web.StreamResponse:
    usage = {**_USAGE, "output_tokens": 12}
    delta = {"stop_reason": reason, "stop_sequence": None}
    await stream.write(encode({"type": "message_delta", "delta": delta, "usage": usage}))
    await stream.write(encode({"type": "message_stop"}))
    return stream


async def _here(_: web.Request) -> web.Response:
    return web.Response()


async def _never() -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or [] if isinstance(block, dict)]


def _is_prompt(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text" and not _ADDED.match(str(block.get("text")))
