"""Serves the application: connections, cancellation, and answers to what is not valid HTTP."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from codara import ids
from codara.errors import Internal, InvalidRequest, Overloaded
from codara.http.addresses import address_of
from codara.http.connections import NO_ADDRESS, Connections, DoorBounds, Place
from codara.http.encodings import unsupported
from codara.http.errors import error_response, refusal_response

HEAD_SECONDS = 20.0
"""How long a request's line and headers may take to come, once they have begun."""
_KEEPALIVE_SECONDS = 75.0
_USUAL = DoorBounds()

_log = logging.getLogger("codara.http")


def runner(
    app: web.Application,
    *,
    shutdown_timeout: float = 5.0,
    bounds: DoorBounds = _USUAL,
    trusted: Sequence[str] = (),
) -> web.AppRunner:
    """Returns a runner for `app`, not yet set up, that holds its connections within `bounds`.

    A client that leaves cancels its handler at once. `cleanup` closes the listening sockets, then
    gives running requests `shutdown_timeout` seconds to end. `trusted` are the proxies that are
    not counted as one client.
    """
    return _Runner(app, shutdown_timeout=shutdown_timeout, bounds=bounds, trusted=trusted)


class _Runner(web.AppRunner):
    def __init__(
        self,
        app: web.Application,
        *,
        shutdown_timeout: float,
        bounds: DoorBounds,
        trusted: Sequence[str],
    ) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout)
        self._trusted = trusted
        self._connections = Connections(bounds, trusted)

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._connections, self._trusted)


class _Server(web.Server):
    """Serves what `plain` serves, each connection in its place."""

    def __init__(self, plain: web.Server, connections: Connections, trusted: Sequence[str]) -> None:
        super().__init__(self._serve, request_factory=self._request, handler_cancellation=True)
        self._plain = plain
        self._places = connections
        self._trusted = trusted

    def __call__(self) -> RequestHandler:
        return _Connection(self, self._places)

    def _request(self, *parts: Any) -> web.BaseRequest:
        request = self._plain.request_factory(*parts)
        _connection_of(request).begin()
        return request

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        place = _connection_of(request).place
        try:
            self._places.check(place, request.path)
            with self._places.asking(place, address_of(request, self._trusted)):
                return await self._plain.request_handler(request)
        except Overloaded as full:
            return _closing(error_response(full))


def _connection_of(request: web.BaseRequest) -> "_Connection":
    connection = request.protocol
    if not isinstance(connection, _Connection):
        raise TypeError("a request of another server")
    return connection


class _Connection(RequestHandler):
    """One connection; each of its errors is answered in the same format as all others."""

    __slots__ = ("_head", "_places", "place")

    def __init__(self, server: _Server, places: Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp turns it off
        )
        self._places = places
        self._head: asyncio.TimerHandle | None = None
        self.place = Place(self, NO_ADDRESS, shared=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a place; without one the connection is closed at once."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        place = self._places.enter(self, str(peer[0]) if peer else NO_ADDRESS)
        if place is None:
            self.force_close()
        else:
            self.place = place

    def connection_lost(self, exc: BaseException | None) -> None:
        """Gives the place back."""
        self._places.leave(self.place)
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on; a request whose head does not come to its end in time is given up."""
        if self._head is None and self._places.is_idle(self.place):
            self._head = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.force_close)
        super().data_received(data)

    def begin(self) -> None:
        """A request has come whole, but for its body."""
        self._head_came()
        self._places.begin(self.place)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the rest of the answer; from then on the connection is idle."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._places.end(self.place)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("The answer had begun; it cannot become another one.")
        request_id = ids.new_id("req")
        if _is_malformed(exc):
            status = min(status, 400)
        if status >= 500:
            _log.error("request %s failed", request_id, exc_info=exc)
        if isinstance(exc, ContentEncodingError):
            response = _compressed()
        else:
            response = error_response(_error(status, message))
            response.set_status(status)
        return _closing(response, request_id)

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Writes a failure to the log, unless it is a request that is not valid HTTP."""
        if not _is_malformed(more.get("exc_info")):
            super().log_exception(*args, **more)


def _is_malformed(error: object) -> bool:
    return isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _closing(response: web.Response, request_id: str = "") -> web.Response:
    response.headers["X-Request-Id"] = request_id or ids.new_id("req")
    response.force_close()
    return response


def _compressed() -> web.Response:
    refused = unsupported()
    return refusal_response(refused, InvalidRequest(refused.text or refused.reason))


def _error(status: int, message: str | None) -> InvalidRequest | Internal:
    if status >= 500:
        return Internal("Something went wrong in the gateway.")
    reason = (message or "unreadable").partition("\n")[0].rstrip(":")
    return InvalidRequest(f"This is not a valid HTTP request: {reason}.")
