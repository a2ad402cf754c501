"""A model server that plays a script instead of thinking: what the demo and the tests stand on.

Run it with ``python -m codara.demo.modelserver --port N``; the markers are in `script.py`.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler

from codara.demo import anthropicwire, chatwire, codeassist, geminiwire, logins, responses
from codara.demo.script import (
    Call,
    Move,
    Refuse,
    ScriptedAnswer,
    ScriptedConversation,
    Silence,
    next_move,
)

REMEMBERED = 500
_BODY_LIMIT = 256 * 1024 * 1024
_NO_SUCH_MODEL = "The model `{}` does not exist or you do not have access to it."


@attrs.frozen
class Seen:
    """One request as the server got it."""

    path: str
    authorization: str
    headers: Mapping[str, str]
    conversation: ScriptedConversation


class ModelServer:
    """An aiohttp application with a memory.

    `requests` holds the last 500 that a model was to answer, oldest first, `paths` where the last
    500 of any kind went. `refuse_key` makes one API key fail from then on (401, 429, 429quota,
    500 ...), whatever the prompt says. `logins` refreshes access tokens.
    """

    def __init__(self) -> None:
        self.requests: deque[Seen] = deque(maxlen=REMEMBERED)
        self.paths: deque[str] = deque(maxlen=REMEMBERED)
        self._failures: Counter[tuple[str, int, str]] = Counter()
        self._refused_keys: dict[str, str] = {}
        self.logins = logins.TokenEndpoint()
        self.code_assist = codeassist.CodeAssist(self.decide)
        self._numbers = itertools.count(1)

    def refuse_key(self, key: str, kind: str) -> None:
        self._refused_keys[key] = kind

    def application(self) -> web.Application:
        """Returns the routes: those of API keys, and those of logins."""
        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[self._note])
        for prefix in ("/v1", "/openai/v1", "/backend-api/codex"):
            app.router.add_post(f"{prefix}/responses", self._responses)
            app.router.add_get(f"{prefix}/models", self._models)
        anthropicwire.Messages(self.decide).add_routes(app)
        chatwire.Chat(self.decide).add_routes(app)
        geminiwire.Generate(self.decide).add_routes(app)
        self.code_assist.add_routes(app)
        self.logins.add_routes(app)
        app.router.add_get("/requests", self._remembered)
        return app

    def decide(self, request: web.Request, conversation: ScriptedConversation) -> Move:
        """Remembers a request, whatever wire format it came in, and says what to do with it."""
        authorization = request.headers.get("Authorization", "")
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(Seen(request.path, authorization, headers, conversation))
        keys = (headers.get("x-api-key"), headers.get("x-goog-api-key"))
        for key in (*keys, authorization.removeprefix("Bearer ")):
            if key in self._refused_keys:
                return Refuse(self._refused_keys[key], None, None)
        place = _place(conversation)
        move = next_move(conversation, self._failures[place])
        if isinstance(move, Refuse) or (isinstance(move, ScriptedAnswer) and move.breaks_off):
            self._failures[place] += 1
        return move

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("thread-id") or request.headers.get("session-id") or ""
        asked = responses.read(await request.json(), key)
        move = self.decide(request, asked.conversation)
        match move:
            case Refuse():
                return await self._refuse(request, asked.conversation, move)
            case Silence():
                return await _never()
            case Call():
                return await self._call(request, asked, move)
            case ScriptedAnswer():
                return await self._answer(request, move)

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever is asked for, be it there or not."""
        self.paths.append(request.path)
        return await handler(request)

    async def _models(self, _: web.Request) -> web.Response:
        models = [{"id": "scripted-model", "object": "model", "owned_by": "codara"}]
        return web.json_response({"object": "list", "data": models})

    async def _remembered(self, _: web.Request) -> web.Response:
        return web.json_response([attrs.asdict(seen) for seen in self.requests])

    async def _call(
        self, request: web.Request, asked: responses.ResponsesRequest, move: Call
    ) -> web.StreamResponse:
        await asyncio.sleep(move.pause)
        response_id, stream = await self._open(request, move.quota)
        for event in responses.thought(move.thought, f"rs_{response_id}") if move.thought else ():
            await stream.write(responses.encode(event))
        call_id = f"call_{next(self._numbers)}"
        event = responses.tool_call(move, asked, call_id)
        await stream.write(responses.encode(event))
        await stream.write(responses.encode(responses.completed(response_id, move.thought)))
        return stream

    async def _answer(self, request: web.Request, move: ScriptedAnswer) -> web.StreamResponse:
        response_id, stream = await self._open(request, move.quota)
        await asyncio.sleep(move.pause)
        for event in responses.thought(move.thought, f"rs_{response_id}") if move.thought else ():
            await stream.write(responses.encode(event))
        item_id = f"msg_{next(self._numbers)}"
        for event in responses.message(item_id, move):
            await stream.write(responses.encode(event))
            await asyncio.sleep(move.between)
        if move.ending == "hang":
            return await _never()
        if move.ending == "drop":
            _break(request)
        if move.breaks_off:
            return stream
        for event in responses.message_done(item_id, move):
            await stream.write(responses.encode(event))
        last = responses.ended(response_id, move.ending, move.thought)
        await stream.write(responses.encode(last))
        return stream

    async def _refuse(
        self, request: web.Request, conversation: ScriptedConversation, move: Refuse
    ) -> web.StreamResponse:
        if move.kind != "context":
            return _refusal(move, conversation.model)
        response_id, stream = await self._open(request, move.quota)
        message = "Your input exceeds the context window of this model."
        event = responses.failed(response_id, "context_length_exceeded", message)
        await stream.write(responses.encode(event))
        return stream

    async def _open(
        self, request: web.Request, quota: float | None
    ) -> tuple[str, web.StreamResponse]:
        response_id = f"resp_{next(self._numbers)}"
        headers = {"Content-Type": "text/event-stream", **_quota_headers(quota)}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        await stream.write(responses.encode(responses.opening(response_id)))
        return response_id, stream


def _place(conversation: ScriptedConversation) -> tuple[str, int, str]:
    prompt = conversation.prompts[-1] if conversation.prompts else ""
    return conversation.key, len(conversation.prompts), prompt


def _refusal(move: Refuse, model: str) -> web.Response:
    status, error, headers = 500, {"type": "server_error", "message": "Something broke."}, {}
    if move.kind == "401":
        status, error = 401, {"type": "invalid_request_error", "code": "invalid_api_key"}
        error["message"] = "Incorrect API key provided."
    elif move.kind == "429":
        status, error = 429, {"type": "rate_limit_error", "message": "Too many requests."}
        headers = {"Retry-After": "2"}
    elif move.kind == "429quota":
        return _quota_exhausted()
    elif move.kind == "503":
        status, error = 503, {"code": "server_is_overloaded", "message": "Overloaded."}
    elif move.kind == "nomodel":
        status, error = 404, {"type": "invalid_request_error", "code": "model_not_found"}
        error["message"] = _NO_SUCH_MODEL.format(model)
    headers |= _quota_headers(move.quota)
    return web.json_response({"error": error}, status=status, headers=headers)


def _quota_exhausted() -> web.Response:
    error: dict[str, Any] = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached.",
        "plan_type": "plus",
        "resets_at": int(time.time()) + 3600,
    }
    return web.json_response({"error": error}, status=429, headers=_quota_headers(100))


def _quota_headers(percent: float | None) -> dict[str, str]:
    if percent is None:
        return {}
    now = int(time.time())
    return {
        "x-codex-primary-used-percent": f"{percent:g}",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(now + 3600),
        "x-codex-secondary-used-percent": f"{percent / 2:g}",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": str(now + 86_400),
    }


async def _never() -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


def _break(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def main(arguments: list[str] | None = None) -> None:
    """Serves until interrupted; prints one line with the base URL when it listens."""
    parser = argparse.ArgumentParser(prog="codara.demo.modelserver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--refuse", action="append", default=[], metavar="KEY=KIND")
    options = parser.parse_args(arguments)
    server = ModelServer()
    for pair in options.refuse:
        key, _, kind = pair.partition("=")
        server.refuse_key(key, kind)
    asyncio.run(_serve(server, options.host, options.port))


async def _serve(server: ModelServer, host: str, port: int) -> None:
    runner = web.AppRunner(server.application(), handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0][1]
    sys.stdout.write(json.dumps({"base_url": f"http://{host}:{bound}/v1"}) + "\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    main()
