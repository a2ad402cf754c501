"""Is it alive, and can it work: what load balancers and service managers ask, without a token."""

import orjson
from aiohttp import web

from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/healthz")
async def alive(_: web.Request) -> web.Response:
    """The process answers."""
    return _json(200, {"status": "ok"})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """200 while turns can run, else 503 with the reasons."""
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
