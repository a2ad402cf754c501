"""Tasks, which is what users call turns, as operators see them."""

from aiohttp import web

from codara.http.answers import done, listing, one
from codara.http.auth import operator_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()

_FILTERS = (
    "status",
    "provider",
    "user_id",
    "session_id",
    "workspace_id",
    "account_id",
    "since",
    "until",
)


@routes.get("/management/v1/tasks")
async def list_tasks(request: web.Request) -> web.Response:
    """All tasks, newest first."""
    await operator_of(request)
    return await listing(request, request.app[SERVICES].views.tasks, _FILTERS)


@routes.get("/management/v1/tasks/{task_id}")
async def show_task(request: web.Request) -> web.Response:
    """One task with its texts, diff and actions."""
    await operator_of(request)
    return await one(request, request.app[SERVICES].views.tasks, request.match_info["task_id"])


@routes.post("/management/v1/tasks/{task_id}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Asks the task to end; it has ended when its status says so."""
    operator_id = await operator_of(request)
    task_id = request.match_info["task_id"]
    await request.app[SERVICES].turns.cancel(task_id, None, f"operator:{operator_id}")
    return await done(
        request, None, also={"task_id": task_id, "cancel_requested": True}, status=202
    )
