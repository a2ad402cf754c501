"""The user's own plane: what a user's key shows of its user, and nobody else's."""

from datetime import timedelta

from aiohttp import web

from codara.application.callers import Caller
from codara.errors import InvalidApiKey
from codara.http.answers import done, found, listing, one, up_to_date
from codara.http.auth import caller_of
from codara.http.body import json_object
from codara.http.decoding import Fields
from codara.http.envelope import ok
from codara.http.keys import all_keys, shown_once, unstored
from codara.http.requests import identity_of
from codara.http.services import SERVICES
from codara.http.usage import usage_of

routes = web.RouteTableDef()

_USAGE_WINDOW = timedelta(days=30)


@routes.get("/v1/user/me")
async def me(request: web.Request) -> web.Response:
    """The user, and the key that asks."""
    user = await _user_of(request)
    views = request.app[SERVICES].views
    known = await found(request, views.users, user.user_id)
    return ok(request, {**known, "key_id": user.key_id}, position=views.position())


@routes.get("/v1/user/keys")
async def list_keys(request: web.Request) -> web.Response:
    """Every key of the user, newest first."""
    user = await _user_of(request)
    view = request.app[SERVICES].views.users
    return all_keys(request, await found(request, view, user.user_id))


@routes.post("/v1/user/keys")
async def issue_key(request: web.Request) -> web.Response:
    """One more key; with `rotate`, in the place of the one that asks. Its secret is shown once."""
    user = await _user_of(request)
    fields = Fields(await json_object(request))
    old = [user.key_id] if fields.flag("rotate") and user.key_id else []
    key = await request.app[SERVICES].users.rotate_key(
        user.user_id,
        old,
        label=fields.maybe_text("label"),
        until=fields.maybe_moment("expires_at"),
        actor=user.actor,
        request_id=identity_of(request).request_id,
    )
    return unstored(await done(request, key.position, also=shown_once(key), status=201))


@routes.delete("/v1/user/keys/{key_id}")
async def revoke_key(request: web.Request) -> web.Response:
    """The key opens nothing from now on, be it the one that asks."""
    user = await _user_of(request)
    key_id = request.match_info["key_id"]
    position = await request.app[SERVICES].users.revoke_key(
        user.user_id, key_id, actor=user.actor, request_id=identity_of(request).request_id
    )
    return await done(request, position, also={"key_id": key_id, "revoked": True})


@routes.get("/v1/user/usage")
async def usage(request: web.Request) -> web.Response:
    """Tokens of the last 30 days."""
    user = await _user_of(request)
    services = request.app[SERVICES]
    stale = not await up_to_date(request)
    now = services.clock()
    used = await usage_of(services.views.tasks, user.user_id, now - _USAGE_WINDOW, now)
    return ok(request, used, position=services.views.position(), stale=stale)


@routes.get("/v1/user/sessions")
async def list_sessions(request: web.Request) -> web.Response:
    """The user's sessions, newest first; those of one-off calls only with `all`."""
    user = await _user_of(request)
    filters = ("status", "provider", "workspace_id")
    view = request.app[SERVICES].views.sessions
    every = Fields(request.query).asked_for("all")
    return await listing(request, view, filters, user_id=user.user_id, every=every)


@routes.get("/v1/user/sessions/{session_id}")
async def show_session(request: web.Request) -> web.Response:
    """One session of the user."""
    user = await _user_of(request)
    view = request.app[SERVICES].views.sessions
    return await one(request, view, request.match_info["session_id"], user_id=user.user_id)


@routes.post("/v1/user/sessions/{session_id}/reset")
async def reset_session(request: web.Request) -> web.Response:
    """The next turn begins a fresh thread; the workspace's files stay."""
    user = await _user_of(request)
    services, session_id = request.app[SERVICES], request.match_info["session_id"]
    position = await services.sessions.reset(session_id, user.user_id, user.actor)
    return await done(request, position, view=services.views.sessions, item_id=session_id)


@routes.get("/v1/user/tasks")
async def list_tasks(request: web.Request) -> web.Response:
    """The user's tasks, newest first."""
    user = await _user_of(request)
    filters = ("status", "provider", "session_id", "workspace_id", "since", "until")
    view = request.app[SERVICES].views.tasks
    return await listing(request, view, filters, user_id=user.user_id)


@routes.get("/v1/user/tasks/{task_id}")
async def show_task(request: web.Request) -> web.Response:
    """One task of the user, with its texts, diff and actions."""
    user = await _user_of(request)
    view = request.app[SERVICES].views.tasks
    return await one(request, view, request.match_info["task_id"], user_id=user.user_id)


@routes.post("/v1/user/tasks/{task_id}/cancel")
async def cancel_task(request: web.Request) -> web.Response:
    """Asks the task to end; it has ended when its status says so."""
    user = await _user_of(request)
    task_id = request.match_info["task_id"]
    await request.app[SERVICES].turns.cancel(task_id, user.user_id, user.actor)
    return await done(
        request, None, also={"task_id": task_id, "cancel_requested": True}, status=202
    )


@routes.get("/v1/user/workspaces")
async def list_workspaces(request: web.Request) -> web.Response:
    """The user's workspaces, newest first."""
    user = await _user_of(request)
    return await listing(request, request.app[SERVICES].views.workspaces, user_id=user.user_id)


@routes.get("/v1/user/providers/models")
async def list_models(request: web.Request) -> web.Response:
    """The models that can be asked for, of one provider or of all."""
    await _user_of(request)
    provider = Fields(request.query).maybe_text("provider")
    models = await request.app[SERVICES].models.listing(provider or None)
    shown = [
        {"id": model.public, "provider": model.provider, "model": model.name} for model in models
    ]
    return ok(request, shown)


async def _user_of(request: web.Request) -> Caller:
    """The user behind the key; InvalidApiKey for an operator, who has a plane of their own."""
    caller = await caller_of(request)
    if caller.operator_id is not None:
        raise InvalidApiKey("This is for users' keys; operators ask /management/v1.")
    return caller
