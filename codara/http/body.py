"""Reads a request's body: once, limited in size and time, and only as JSON or a form."""

import asyncio
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from codara.amount import TooMuch, check_amount
from codara.errors import InvalidRequest
from codara.http.errors import too_large
from codara.offload import by_size

_SECONDS_TO_ARRIVE = 60.0
_MOST_VALUES = 1_000_000
"""Room for a conversation of 100,000 messages, each of several parts."""
_READ_AT_ONCE = 256 * 1024


async def json_body(request: web.Request) -> Any:
    """Returns the body's JSON value.

    InvalidRequest if it is not JSON, takes longer than a minute to arrive, holds more than
    1,000,000 values or is nested deeper than 200 levels; BodyTooLarge if it is larger than
    `server.max_body_bytes`.
    """
    return await _value(await _read(request))


async def json_object(request: web.Request) -> dict[str, Any]:
    """Returns the body's JSON object; an empty body counts as an empty object."""
    raw = await _read(request)
    value = await _value(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return value


async def form_fields(request: web.Request) -> dict[str, str]:
    """Returns the fields of a form by name; a file counts as the text that it holds.

    InvalidRequest if the form cannot be read, is not text or takes longer than a minute to arrive.
    """
    try:
        async with asyncio.timeout(_SECONDS_TO_ARRIVE):
            form = await request.post()
    except TimeoutError as late:
        raise InvalidRequest("The form did not arrive within a minute.") from late
    except ValueError as broken:
        raise InvalidRequest("The form cannot be read.") from broken
    return {name: await _text_of(name, value) for name, value in form.items()}


async def _text_of(name: str, value: str | bytes | bytearray | web.FileField) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, web.FileField):
        raw = await asyncio.to_thread(value.file.read)
    else:
        raw = bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError as broken:
        raise InvalidRequest(f"{name} is no UTF-8 text.", param=name) from broken


async def _value(raw: bytes) -> Any:
    return await by_size(partial(parsed, raw, "The body"), size=len(raw), most=_READ_AT_ONCE)


def parsed(raw: bytes, what: str, *, param: str | None = None) -> Any:
    """Returns the JSON value of `what`; InvalidRequest if it is not JSON, or holds too much."""
    try:
        check_amount(raw, _MOST_VALUES)
        return orjson.loads(raw)
    except TooMuch as much:
        raise InvalidRequest(f"{what} is {much}.", param=param) from much
    except orjson.JSONDecodeError as broken:
        raise InvalidRequest(f"{what} is not valid JSON: {broken}.", param=param) from broken


async def _read(request: web.Request) -> bytes:
    if (request.content_length or 0) > request.client_max_size:
        raise too_large(request)
    try:
        async with asyncio.timeout(_SECONDS_TO_ARRIVE):
            return await request.read()
    except TimeoutError as late:
        raise InvalidRequest("The body did not arrive within a minute.") from late
