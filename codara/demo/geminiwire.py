"""Google's generateContent as the agent CLI speaks it: requests apart, moves into chunks."""

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
Wrap = Callable[[dict[str, Any]], dict[str, Any]]
"""Puts an answer into what the wire format has around it."""
Part = Mapping[str, Any]

NOTE = "A scripted note"
"""What a request of the CLI's own is answered: a summary, a check."""

_ADDED = re.compile(
    r"\s*(<(session_context|hook_context|loaded_context|extension_context)"
    r"|--- (Content from referenced files|End of content) ---)"
)
_ENDS = {"done": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
_GOOGLE = "type.googleapis.com/google.rpc"
_DAILY = "GenerateRequestsPerDayPerProjectPerModel"
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_ERRORS = {
    "400": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "401": (401, "UNAUTHENTICATED", "GeminiRequest had invalid authentication credentials."),
    "429": (429, "RESOURCE_EXHAUSTED", _QUOTA),
    "429quota": (429, "RESOURCE_EXHAUSTED", _QUOTA),
    "503": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "context": (
        400,
        "INVALID_ARGUMENT",
        "The input token count exceeds the maximum number of tokens allowed.",
    ),
    "nomodel": (404, "NOT_FOUND", "models/{model} is not found for API version v1beta"),
}
_BROKEN = (500, "INTERNAL", "An internal error has occurred.")
_USAGE = {"promptTokenCount": 120, "cachedContentTokenCount": 40}


@attrs.frozen
class GeminiRequest:
    """One POST: the conversation, and the names of the tools it offers."""

    conversation: ScriptedConversation
    tools: frozenset[str]


class Generate:
    """The routes of one server."""

    def __init__(self, decide: Decide, wrap: Wrap = dict) -> None:
        self._decide = decide
        self._wrap = wrap
        self._numbers = itertools.count(1)

    def add_routes(self, app: web.Application) -> None:
        for prefix in ("", "/gemini"):
            app.router.add_post(f"{prefix}/v1beta/models/{{call}}", self._called)

    async def _called(self, request: web.Request) -> web.StreamResponse:
        model, _, method = request.match_info["call"].partition(":")
        return await self.answer(request, method, model, await request.json())

    async def answer(
        self, request: web.Request, method: str, model: str, body: Mapping[str, Any]
    ) -> web.StreamResponse:
        """Returns what the script says to one call."""
        asked = read(body, model)
        if method != "streamGenerateContent":
            return web.json_response(self._wrap(chunk(({"text": NOTE},), "STOP")))
        move = self._decide(request, asked.conversation)
        match move:
            case Refuse():
                return refusal(move, model)
            case Silence():
                return await _never()
            case Call() | ScriptedAnswer():
                return await self._stream(request, asked, move)

    async def _stream(
        self, request: web.Request, asked: GeminiRequest, move: Call | ScriptedAnswer
    ) -> web.StreamResponse:
        await asyncio.sleep(move.pause)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        if move.thought:
            await self._write(stream, {"text": move.thought, "thought": True})
        if isinstance(move, Call):
            called = tool_call(move, asked, f"call_{next(self._numbers)}")
            await self._write(stream, called, "STOP", move.thought)
            return stream
        return await self._say(request, stream, move)

    async def _say(
        self, request: web.Request, stream: web.StreamResponse, move: ScriptedAnswer
    ) -> web.StreamResponse:
        for piece in move.pieces:
            await self._write(stream, {"text": piece})
            await asyncio.sleep(move.between)
        if move.ending == "hang":
            return await _never()
        if move.ending == "drop" and request.transport is not None:
            request.transport.abort()
        elif not move.breaks_off:
            finish = _ENDS.get(move.ending, move.ending)
            await self._write(stream, {"text": ""}, finish, move.thought)
        return stream

    async def _write(
        self, stream: web.StreamResponse, part: Part, finish: str | None = None, thought: str = ""
    ) -> None:
        await stream.write(encode(self._wrap(chunk((part,), finish, thought))))


def read(body: Mapping[str, Any], model: str) -> GeminiRequest:
    """Takes a request's body apart; what the CLI adds for itself is no prompt."""
    prompts: list[str] = []
    done = 0
    for part in _said_to_the_model(body):
        if "functionResponse" in part:
            done += 1
        elif isinstance(part.get("text"), str) and not _ADDED.match(part["text"]):
            prompts.append(part["text"].strip())
            done = 0
    instructions = (str(p.get("text", "")) for p in _parts(body.get("systemInstruction")))
    conversation = ScriptedConversation("", model, tuple(instructions), tuple(prompts), done)
    offered = (
        declared.get("name")
        for tool in body.get("tools") or []
        for declared in tool.get("functionDeclarations") or []
    )
    return GeminiRequest(conversation, frozenset(str(name) for name in offered))


def tool_call(call: Call, asked: GeminiRequest, call_id: str) -> Part:
    """Returns the call of a tool: for files the agent's own, for the rest its shell."""
    name, arguments = _tool(call, asked.tools)
    return {"functionCall": {"id": call_id, "name": name, "args": arguments}}


def refusal(move: Refuse, model: str) -> web.Response:
    """Returns an error as Google words it."""
    status, name, message = _ERRORS.get(move.kind, _BROKEN)
    error = {
        "code": status,
        "message": message.format(model=model),
        "status": name,
        "details": _details(move.kind),
    }
    return web.json_response({"error": error}, status=status)


def chunk(parts: tuple[Part, ...], finish: str | None = None, thought: str = "") -> dict[str, Any]:
    """One piece of an answer; the last one says why it ends and what it took."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is None:
        return {"candidates": [candidate]}
    thoughts = thinking(thought)
    written = {"candidatesTokenCount": 12 - thoughts, "thoughtsTokenCount": thoughts}
    usage = {**_USAGE, **written, "totalTokenCount": 132}
    return {"candidates": [{**candidate, "finishReason": finish}], "usageMetadata": usage}


def encode(body: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(body)}\r\n\r\n".encode()


def _tool(call: Call, tools: frozenset[str]) -> tuple[str, Mapping[str, str]]:
    step = call.step
    if step.kind == "delegate":
        return "invoke_agent", {"agent_name": "generalist", "prompt": step.text}
    if step.kind == "write" and "write_file" in tools:
        return "write_file", {"file_path": step.target, "content": step.text}
    if step.kind == "edit" and "replace" in tools:
        old, _, new = step.text.partition("=>")
        change = {"old_string": old, "new_string": new, "instruction": "Carry out the script"}
        return "replace", {"file_path": step.target, **change}
    return "run_shell_command", {
        "command": command(step),
        "description": "Carry out the script",
    }


def _details(kind: str) -> list[Mapping[str, Any]]:
    if kind == "400":
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        return [{"@type": f"{_GOOGLE}.ErrorInfo", **info}]
    if kind not in ("429", "429quota"):
        return []
    daily = kind == "429quota"
    violation = {"quotaId": _DAILY if daily else _PER_MINUTE}
    return [
        {"@type": f"{_GOOGLE}.QuotaFailure", "violations": [violation]},
        {"@type": f"{_GOOGLE}.RetryInfo", "retryDelay": "3600s" if daily else "2s"},
    ]


def _said_to_the_model(body: Mapping[str, Any]) -> Iterator[Part]:
    for content in body.get("contents") or []:
        if content.get("role", "user") == "user":
            yield from _parts(content)


def _parts(content: Any) -> list[Part]:
    found = content.get("parts") if isinstance(content, dict) else None
    return [part for part in found or [] if isinstance(part, dict)]


async def _never() -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()
