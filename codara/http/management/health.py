"""How the gateway is, for operators."""

from aiohttp import web

from codara.http.auth import operator_of
from codara.http.envelope import ok
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/management/v1/health")
async def show_health(request: web.Request) -> web.Response:
    """`degraded` with the reasons while turns cannot run."""
    await operator_of(request)
    services = request.app[SERVICES]
    reasons = services.health.reasons()
    position = services.views.position()
    data = {
        "status": "degraded" if reasons else "ok",
        "reasons": reasons,
        "read_models_position": position,
    }
    return ok(request, data, position=position)
