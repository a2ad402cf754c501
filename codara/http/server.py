"""Serves the application: connections, cancellation, and answers to what is not valid HTTP."""

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from codara import ids
from codara.errors import Internal, InvalidRequest
from codara.http.encodings import unsupported
from codara.http.errors import error_response, refusal_response

_KEEPALIVE_SECONDS = 75.0

_log = logging.getLogger("codara.http")


def runner(app: web.Application, *, shutdown_timeout: float = 5.0) -> web.AppRunner:
    """Returns a runner for `app`, not yet set up.

    A client that leaves cancels its handler at once. `cleanup` closes the listening sockets, then
    gives running requests `shutdown_timeout` seconds to end.
    """
    return _Runner(app, shutdown_timeout=shutdown_timeout)


class _Runner(web.AppRunner):
    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return _Server(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=True,
        )


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp turns it off
        )


class _Connection(RequestHandler):
    """One connection; each of its errors is answered in the same format as all others."""

    __slots__ = ()

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
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Writes a failure to the log, unless it is a request that is not valid HTTP."""
        if not _is_malformed(more.get("exc_info")):
            super().log_exception(*args, **more)


def _is_malformed(error: object) -> bool:
    return isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _compressed() -> web.Response:
    refused = unsupported()
    return refusal_response(refused, InvalidRequest(refused.text or refused.reason))


def _error(status: int, message: str | None) -> InvalidRequest | Internal:
    if status >= 500:
        return Internal("Something went wrong in the gateway.")
    reason = (message or "unreadable").partition("\n")[0].rstrip(":")
    return InvalidRequest(f"This is not a valid HTTP request: {reason}.")
