"""The broker's HTTP server, to which a jail may send whatever it likes."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

MOST_CONNECTIONS = 128
_NOT_HTTP = "This is not a valid HTTP request."
_BROKEN = "The gateway's broker could not do this. Its log tells more."

log = logging.getLogger(__name__)


class BrokerServer(web.Server):
    """Serves the connections of one jail, up to 128 at a time.

    What the jail sent wrong is answered 400 and leaves no line in the log.
    """

    def __init__(self, serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(serve, handler_cancellation=True)

    def connection(self) -> asyncio.Protocol:
        """Makes the protocol of a new connection; one too many is closed at once."""
        return _Refusal() if len(self.connections) >= MOST_CONNECTIONS else self()

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp turns it off
        )


class _Connection(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if is_malformed(exc):
            status = 400
        if status >= 500:
            log.error("a jail's request to the broker failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("The answer had begun; it cannot become another one.")
        code, said = ("broken", _BROKEN) if status >= 500 else ("invalid_request", _NOT_HTTP)
        answer = refusal(status, code, said)
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **more: Any) -> None:
        if not is_malformed(more.get("exc_info")):
            super().log_exception(*args, **more)


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def is_malformed(error: object) -> bool:
    """Tells whether an error means that what was sent is not HTTP as it should be."""
    return isinstance(error, HttpProcessingError | web.RequestPayloadError)


def refusal(status: int, code: str, message: str) -> web.Response:
    """Returns an error in the shape every model client understands."""
    body = {"error": {"message": message, "type": "codara_broker", "param": None, "code": code}}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
