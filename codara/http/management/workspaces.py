"""Workspaces, as operators see them."""

from aiohttp import web

from codara.http.answers import listing, one
from codara.http.auth import operator_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/management/v1/workspaces")
async def list_workspaces(request: web.Request) -> web.Response:
    """All workspaces, newest first."""
    await operator_of(request)
    return await listing(request, request.app[SERVICES].views.workspaces, ("user_id",))


@routes.get("/management/v1/workspaces/{workspace_id}")
async def show_workspace(request: web.Request) -> web.Response:
    """One workspace."""
    await operator_of(request)
    view = request.app[SERVICES].views.workspaces
    return await one(request, view, request.match_info["workspace_id"])
