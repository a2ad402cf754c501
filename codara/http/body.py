"""Reading a request's body: once, bounded in size and time, and only as JSON."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from codara.errors import InvalidRequest
from codara.http.errors import too_large

_SECONDS_TO_ARRIVE = 60.0


async def json_body(request: web.Request) -> Any:
    """The body's JSON value.

    InvalidRequest if it is no JSON or takes longer than a minute to arrive, BodyTooLarge if it
    is over `server.max_body_bytes`.
    """
    return _parsed(await _read(request))


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body's JSON object; an empty body counts as an empty object."""
    raw = await _read(request)
    value = _parsed(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return value


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as broken:
        raise InvalidRequest(f"The body is not valid JSON: {broken}.") from broken


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > request.client_max_size:
        raise too_large(request)
    try:
        async with asyncio.timeout(_SECONDS_TO_ARRIVE):
            return await request.read()
    except TimeoutError as late:
        raise InvalidRequest("The body did not arrive within a minute.") from late
