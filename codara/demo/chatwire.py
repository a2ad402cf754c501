"""OpenAI's chat completions as agent CLIs speak them: requests apart, moves into chunks."""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from aiohttp import web

from codara.demo.responses import command, thinking
from codara.demo.script import Call, Move, Refuse, ScriptedAnswer, ScriptedConversation, Silence

Decide = Callable[[web.Request, ScriptedConversation], Move]
"""Remembers a request, and says what to do with it."""
Delta = Mapping[str, Any]

NOTE = "A scripted note"
"""What a request without tools is answered: a title, or the summary of a long conversation."""

_ADDED = re.compile(r"\s*<(system-reminder|environment_context)")
_KEYS = ("x-session-affinity", "x-opencode-session", "x-session-id")
_LIMIT = 1000
_ENDS = {"done": "stop", "filter": "content_filter"}
_ERRORS = {
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "429quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "503": (503, "server_error", "server_is_overloaded", "The engine is currently overloaded."),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model.",
    ),
    "nomodel": (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
}
_BROKEN = (500, "server_error", "internal_error", "Something broke.")


@attrs.frozen
class ChatWireRequest:
    """One POST: the conversation, and the names of the tools it offers."""

    conversation: ScriptedConversation
    tools: frozenset[str]


class Chat:
    """The routes of one server."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._numbers = itertools.count(1)

    def add_routes(self, app: web.Application) -> None:
        for prefix in ("/v1", "/openai/v1"):
            app.router.add_post(f"{prefix}/chat/completions", self._completions)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        key = next((request.headers[name] for name in _KEYS if name in request.headers), "")
        asked = read(await request.json(), key)
        move = self._decide(request, asked.conversation)
        if not asked.tools and not isinstance(move, Refuse):
            move = ScriptedAnswer((NOTE,), "", 0.0, 0.0, "done", None)
        match move:
            case Refuse():
                return refusal(move, asked.conversation.model)
            case Silence():
                return await _never()
            case Call() | ScriptedAnswer():
                return await self._stream(request, asked, move)

    async def _stream(
        self, request: web.Request, asked: ChatWireRequest, move: Call | ScriptedAnswer
    ) -> web.StreamResponse:
        number = next(self._numbers)
        headers = {"Content-Type": "text/event-stream", **limit_headers(move.quota)}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        await asyncio.sleep(move.pause)
        named = {"id": f"chatcmpl-{number}", "model": asked.conversation.model}
        await stream.write(chunk(named, {"role": "assistant", "content": ""}))
        if move.thought:
            await stream.write(chunk(named, {"reasoning_content": move.thought}))
        if isinstance(move, Call):
            for delta in tool_call(move, asked, f"call_{number}"):
                await stream.write(chunk(named, delta))
            return await _end(stream, named, "tool_calls", move.thought)
        for piece in move.pieces:
            await stream.write(chunk(named, {"content": piece}))
            await asyncio.sleep(move.between)
        if move.ending == "hang":
            return await _never()
        if move.ending == "drop" and request.transport is not None:
            request.transport.abort()
        if move.breaks_off:
            return stream
        return await _end(stream, named, _ENDS.get(move.ending, move.ending), move.thought)


def read(body: Mapping[str, Any], key: str) -> ChatWireRequest:
    """Takes a request's body apart; what the CLI adds for itself is no prompt."""
    prompts: list[str] = []
    instructions: list[str] = []
    done = 0
    for message in body.get("messages", []):
        text = _text_of(message.get("content"))
        match message.get("role"):
            case "tool":
                done += 1
            case "user" if text:
                prompts.append(text)
                done = 0
            case "system" | "developer" if text:
                instructions.append(text)
    model = str(body.get("model", ""))
    conversation = ScriptedConversation(key, model, tuple(instructions), tuple(prompts), done)
    offered = (tool.get("function") or {} for tool in body.get("tools") or [])
    return ChatWireRequest(conversation, frozenset(str(tool.get("name")) for tool in offered))


def tool_call(call: Call, asked: ChatWireRequest, call_id: str) -> Iterator[Delta]:
    """The call of a tool: for files the agent's own, where it has them, else its shell."""
    name, arguments = _tool(call, asked.tools)
    head = {"index": 0, "id": call_id, "type": "function"}
    yield {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}
    yield {"tool_calls": [{"index": 0, "function": {"arguments": json.dumps(arguments)}}]}


def refusal(move: Refuse, model: str) -> web.Response:
    """Returns an error as OpenAI words it."""
    status, kind, code, message = _ERRORS.get(move.kind, _BROKEN)
    headers = limit_headers(move.quota)
    if move.kind == "429":
        headers |= {"Retry-After": "2"}
    error = {"message": message.format(model=model), "type": kind, "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def limit_headers(percent: float | None) -> dict[str, str]:
    """Returns the limits of an API key: so much of what it may in a minute is used up."""
    if percent is None:
        return {}
    left = str(round(_LIMIT * (100 - percent) / 100))
    name = "x-ratelimit"
    return {
        f"{name}-limit-tokens": str(_LIMIT),
        f"{name}-remaining-tokens": left,
        f"{name}-reset-tokens": "1m0s",
    }


def chunk(named: Mapping[str, str], delta: Delta, reason: str | None = None) -> bytes:
    """One server-sent event with one choice in it."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _event({**named, "object": "chat.completion.chunk", "created": 0, "choices": [choice]})


async def _end(
    stream: web.StreamResponse, named: Mapping[str, str], reason: str, thought: str
) -> web.StreamResponse:
    usage = {
        "prompt_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": thinking(thought)},
        "total_tokens": 132,
    }
    last = {**named, "object": "chat.completion.chunk", "created": 0}
    await stream.write(chunk(named, {}, reason))
    await stream.write(_event({**last, "choices": [], "usage": usage}))
    await stream.write(b"data: [DONE]\n\n")
    return stream


def _event(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


def _tool(call: Call, tools: frozenset[str]) -> tuple[str, Mapping[str, str]]:
    step = call.step
    if step.kind == "delegate":
        part = {"description": "A part of the script", "prompt": step.text}
        return "task", {**part, "subagent_type": "general"}
    if step.kind == "write" and "write" in tools:
        return "write", {"filePath": step.target, "content": step.text}
    if step.kind == "edit" and "edit" in tools:
        old, _, new = step.text.partition("=>")
        return "edit", {"filePath": step.target, "oldString": old, "newString": new}
    return "bash", {"command": command(step), "description": "Carry out the script"}


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content.strip()
    parts = (_part(part) for part in content or [])
    return "\n".join(text.strip() for text in parts if text and not _ADDED.match(text))


def _part(part: Mapping[str, Any]) -> str:
    """The text of a part, or the kind of picture it is."""
    if part.get("type") == "image_url":
        url = str((part.get("image_url") or {}).get("url"))
        return f"[{url.removeprefix('data:').partition(';')[0]}]"
    return str(part.get("text", ""))


async def _never() -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()
