"""What every request and answer carries: an id, a trace, and CORS headers for browsers."""

import re
import secrets
from collections.abc import Mapping

import attrs
from aiohttp import web

from codara.http.services import SERVICES

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)

_ALLOWED_METHODS = "GET, POST, PATCH, PUT, DELETE, OPTIONS"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_EXPOSED_HEADERS = (
    "x-request-id, x-codara-session, x-codara-task, x-codara-position, traceparent, "
    "idempotency-replayed, retry-after, x-should-retry"
)


@attrs.frozen(kw_only=True)
class Identity:
    """How a request is named in answers, events and logs; `trace_id` is W3C's, 32 hex digits."""

    request_id: str
    trace_id: str
    span_id: str
    flags: str

    @property
    def traceparent(self) -> str:
        """Returns the `traceparent` header with which the answer names its span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


_IDENTITY = web.RequestKey("identity", Identity)
_MORE_HEADERS = web.RequestKey("more_headers", dict[str, str])


def identity_of(request: web.Request) -> Identity:
    """Returns the request's identity: the client's ids if they are valid, else new ones."""
    known = request.get(_IDENTITY)
    if known is None:
        known = request[_IDENTITY] = _identify(request)
    return known


def add_headers(request: web.Request, headers: Mapping[str, str]) -> None:
    """Adds headers to whatever the answer will be, an error included."""
    request[_MORE_HEADERS] = {**request.get(_MORE_HEADERS, {}), **headers}


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Puts the request's identity and the CORS headers on an answer that is about to be sent."""
    identity = identity_of(request)
    response.headers["X-Request-Id"] = identity.request_id
    response.headers["traceparent"] = identity.traceparent
    response.headers.update(request.get(_MORE_HEADERS, {}))
    if request.app[SERVICES].settings.server.cors_origins:
        varies = [*response.headers.getall("Vary", []), "Origin"]
        response.headers["Vary"] = ", ".join(varies)
    origin = _allowed_origin(request)
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS


def preflight(request: web.Request) -> web.Response | None:
    """Returns the answer to a browser's CORS preflight; None if the request is not one.

    A page of an allowed origin may send any header: what may be done, the key alone decides.
    """
    asked = request.headers.get("Access-Control-Request-Method")
    if request.method != "OPTIONS" or asked is None or _allowed_origin(request) is None:
        return None
    headers = {
        "Access-Control-Allow-Methods": _ALLOWED_METHODS,
        "Access-Control-Allow-Headers": _allowed_headers(request),
        "Access-Control-Max-Age": "600",
        "Vary": "Access-Control-Request-Headers",
    }
    return web.Response(status=204, headers=headers)


def _identify(request: web.Request) -> Identity:
    given = request.headers.get("X-Request-Id", "")
    trace_id, flags = _incoming_trace(request)
    return Identity(
        request_id=given if _REQUEST_ID.fullmatch(given) else request.app[SERVICES].new_id("req"),
        trace_id=trace_id or secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        flags=flags,
    )


def _incoming_trace(request: web.Request) -> tuple[str | None, str]:
    headers = request.headers.getall("traceparent", [])
    found = _TRACEPARENT.fullmatch(headers[0].strip()) if len(headers) == 1 else None
    if found is None or not _valid(found):
        return None, "01"
    return found["trace"], found["flags"]


def _valid(found: re.Match[str]) -> bool:
    """W3C Trace Context: no version ff, no ids of zeros alone, and version 00 has four fields."""
    known_length = found["version"] != "00" or found["more"] is None
    ids = found["trace"].strip("0") and found["span"].strip("0")
    return found["version"] != "ff" and known_length and bool(ids)


def _allowed_origin(request: web.Request) -> str | None:
    origin = request.headers.get("Origin")
    origins = request.app[SERVICES].settings.server.cors_origins
    return origin if origin is not None and origin in origins else None


def _allowed_headers(request: web.Request) -> str:
    """Returns the headers that the browser asks for."""
    asked = ",".join(request.headers.getall("Access-Control-Request-Headers", []))
    names = (name.strip() for name in asked.split(","))
    return ", ".join(name for name in names if _HEADER_NAME.fullmatch(name))
