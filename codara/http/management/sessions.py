"""Sessions, as operators see them: of every user."""

from aiohttp import web

from codara.http.answers import done, found, listing, one
from codara.http.auth import operator_of
from codara.http.decoding import Fields
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/management/v1/sessions")
async def list_sessions(request: web.Request) -> web.Response:
    """All sessions, newest first; those of one-off calls only with `all`."""
    await operator_of(request)
    filters = ("status", "provider", "workspace_id", "user_id")
    every = Fields(request.query).asked_for("all")
    return await listing(request, request.app[SERVICES].views.sessions, filters, every=every)


@routes.get("/management/v1/sessions/{session_id}")
async def show_session(request: web.Request) -> web.Response:
    """One session."""
    await operator_of(request)
    view = request.app[SERVICES].views.sessions
    return await one(request, view, request.match_info["session_id"])


@routes.get("/management/v1/sessions/{session_id}/tasks")
async def list_tasks(request: web.Request) -> web.Response:
    """The session's turns, newest first."""
    await operator_of(request)
    views, session_id = request.app[SERVICES].views, request.match_info["session_id"]
    await found(request, views.sessions, session_id)
    return await listing(request, views.tasks, ("status",), session_id=session_id)


@routes.post("/management/v1/sessions/{session_id}/reset")
async def reset(request: web.Request) -> web.Response:
    """The next turn begins a fresh thread; the workspace's files stay."""
    operator_id = await operator_of(request)
    services, session_id = request.app[SERVICES], request.match_info["session_id"]
    position = await services.sessions.reset(session_id, None, f"operator:{operator_id}")
    return await done(request, position, view=services.views.sessions, item_id=session_id)
