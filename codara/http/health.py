"""Health checks for load balancers and service managers; they need no token."""

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
    """Answers 200 while turns can run, else 503 with the reasons."""
    reasons = request.app[SERVICES].health.reasons()
    if not reasons:
        return _json(200, {"status": "ready", "reasons": []})
    error = {
        "message": "; ".join(reasons),
        "type": "server_error",
        "param": None,
        "code": "not_ready",
    }
    return _json(503, {"status": "not_ready", "reasons": reasons, "error": error})


def _json(status: int, body: dict[str, object]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
