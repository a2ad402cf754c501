"""`POST /v1/chat/completions`: one turn of an agent."""

from functools import partial

import attrs
import orjson
from aiohttp import web

from codara.application.callers import Caller
from codara.application.ports.frames import ReasoningDelta
from codara.application.turns.commands import RunTurn
from codara.errors import UnsupportedParameter
from codara.http.body import json_body
from codara.http.openai.answer import Reply
from codara.http.openai.decode import ChatRequest, decode
from codara.http.openai.stream import stream_turn, stream_waiting
from codara.http.openai.submitting import submitted
from codara.http.openai.uploads import FORM, UploadForm, read_form
from codara.http.planes import CALLER
from codara.http.requests import add_headers, identity_of
from codara.http.routing import Routes
from codara.http.services import SERVICES, HeldTurn
from codara.offload import TEXT, by_size

routes = Routes(CALLER, "/v1")


@routes.raw("POST", "/chat/completions")
async def complete(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Runs a turn, or joins it, and answers in one piece or as a stream."""
    services = request.app[SERVICES]
    wanted = await _decoded(request, caller)
    command = await _command(request, caller, wanted)
    unheeded = wanted.effort is not None and command.effort is None
    reply = Reply(
        model=wanted.model,
        created=int(services.clock().timestamp()),
        include_usage=wanted.include_usage,
        reasoning=wanted.reasoning,
        events=wanted.events,
        ignored=(*wanted.ignored, "reasoning_effort") if unheeded else wanted.ignored,
    )
    async with submitted(services.turns, command) as submission:
        if wanted.stream and not await submission.is_soon():
            return await stream_waiting(request, submission, reply)
        handle = await submission.handle()
        add_headers(request, _turn_headers(handle))
        async with handle:
            started = await handle.started()
            if wanted.stream:
                return await stream_turn(request, handle, reply, _position(started.position))
            result = await handle.result()
            thoughts = await _thoughts(handle) if wanted.reasoning else ""
    body = orjson.dumps(reply.of(handle.turn_id).whole(result, thoughts))
    headers = _position(result.position)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def _decoded(request: web.Request, caller: Caller) -> ChatRequest:
    """Decodes the request; a large body is checked and hashed away from the event loop."""
    if request.content_type == FORM:
        form = await read_form(request)
    else:
        form = UploadForm(await json_body(request), ())
    server = request.app[SERVICES].settings.server
    decoding = partial(decode, form.body, request.headers, caller, form.uploads, server)
    size = TEXT + 1 if request.content_length is None else request.content_length
    return await by_size(decoding, size=size)


async def _command(request: web.Request, caller: Caller, wanted: ChatRequest) -> RunTurn:
    identity = identity_of(request)
    models = request.app[SERVICES].models
    provider, model = await models.resolve(wanted.model, wanted.provider)
    if wanted.first_image is not None and not models.takes_images(provider):
        raise UnsupportedParameter(f"{provider} takes no pictures.", param=wanted.first_image)
    if wanted.effort is not None and not models.takes_effort(provider, wanted.effort):
        wanted = attrs.evolve(wanted, effort=None)
    return RunTurn.of(
        wanted,
        caller=caller,
        request_id=identity.request_id,
        trace_id=identity.trace_id,
        model=model,
        provider=provider,
    )


async def _thoughts(handle: HeldTurn) -> str:
    """Returns what the agent thought; empty if the turn had ended before this request came."""
    thoughts = [f.text async for f in handle.frames() if isinstance(f, ReasoningDelta)]
    return "".join(thoughts)


def _turn_headers(handle: HeldTurn) -> dict[str, str]:
    headers = {"X-Codara-Session": handle.session_id, "X-Codara-Task": handle.turn_id}
    return {**headers, "Idempotency-Replayed": "true"} if handle.replayed else headers


def _position(position: int) -> dict[str, str]:
    return {"X-Codara-Position": str(position)}
