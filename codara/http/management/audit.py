"""The audit trail: who did what to what, newest first."""

from aiohttp import web

from codara.http.answers import listing
from codara.http.auth import operator_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()

_FILTERS = (
    "actor",
    "action",
    "target_type",
    "target_id",
    "user_id",
    "correlation_id",
    "search",
    "since",
    "until",
)


@routes.get("/management/v1/audit")
async def list_audit(request: web.Request) -> web.Response:
    """An action nobody ever did gives an empty list."""
    await operator_of(request)
    return await listing(request, request.app[SERVICES].views.audit, _FILTERS)
