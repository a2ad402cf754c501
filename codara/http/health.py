"""Health checks for load balancers and service managers; they need no token."""

from collections.abc import Mapping

import orjson
from aiohttp import web

from codara.http.planes import ANYBODY, Anybody
from codara.http.routing import Routes
from codara.http.services import SERVICES

routes = Routes(ANYBODY)


@routes.raw("GET", "/healthz")
async def alive(_: web.Request, __: Anybody) -> web.Response:
    """Answers 200 while the process runs."""
    return _json(200, {"status": "ok"})


@routes.raw("GET", "/readyz")
async def ready(request: web.Request, _: Anybody) -> web.Response:
    """Answers 200 while the gateway can do its work, else 503 with the reasons.

    The warnings beside it tell which providers can run no turn, and how far a check of the log has
    come; they do not change the status.
    """
    health = request.app[SERVICES].health
    reasons, warnings = health.reasons(), [*await health.warnings(), *health.progress()]
    if not reasons:
        return _json(200, {"status": "ready", "reasons": [], "warnings": warnings})
    error = {
        "message": "; ".join(reasons),
        "type": "server_error",
        "param": None,
        "code": "not_ready",
    }
    said = {"status": "not_ready", "reasons": reasons, "warnings": warnings, "error": error}
    return _json(503, said)


def _json(status: int, body: Mapping[str, object]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
