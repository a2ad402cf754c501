"""Users, as operators see them: provisioned, changed, suspended, deleted."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from codara.application.users import NewUser
from codara.http.answers import done, listing, one
from codara.http.auth import operator_of
from codara.http.body import json_object
from codara.http.decoding import Fields
from codara.http.keys import shown_once, unstored
from codara.http.requests import identity_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.post("/management/v1/users")
async def provision(request: web.Request) -> web.Response:
    """A user with a first key; the key's secret is shown here and never again."""
    operator_id = await operator_of(request)
    fields = Fields(await json_object(request))
    services = request.app[SERVICES]
    made = await services.users.provision(
        NewUser(
            email=fields.text("email"),
            display_name=fields.maybe_text("display_name"),
            key_label=fields.maybe_text("key_label"),
            key_expires_at=fields.maybe_moment("key_expires_at"),
            max_concurrency=fields.maybe_integer("max_concurrency"),
        ),
        f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    shown = {
        "user_id": made.user_id,
        "email": made.email,
        "display_name": made.display_name,
        "max_concurrency": made.max_concurrency,
        "api_key": shown_once(made.key),
    }
    view, user_id = services.views.users, made.user_id
    return unstored(
        await done(request, made.position, view=view, item_id=user_id, also=shown, status=201)
    )


@routes.get("/management/v1/users")
async def list_users(request: web.Request) -> web.Response:
    """All users, newest first."""
    await operator_of(request)
    return await listing(request, request.app[SERVICES].views.users, ("status", "role"))


@routes.get("/management/v1/users/{user_id}")
async def show_user(request: web.Request) -> web.Response:
    """One user with their keys."""
    await operator_of(request)
    return await one(request, request.app[SERVICES].views.users, request.match_info["user_id"])


@routes.patch("/management/v1/users/{user_id}")
async def update(request: web.Request) -> web.Response:
    """Changes the display name, the limit of turns at once, or both."""
    operator_id = await operator_of(request)
    fields = Fields(await json_object(request))
    services, user_id = request.app[SERVICES], request.match_info["user_id"]
    position = await services.users.update(
        user_id,
        display_name=fields.maybe_text("display_name"),
        max_concurrency=fields.maybe_integer("max_concurrency"),
        actor=f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    return await done(request, position, view=services.views.users, item_id=user_id)


@routes.post("/management/v1/users/{user_id}/suspend")
async def suspend(request: web.Request) -> web.Response:
    """The user's keys open nothing until they are restored."""
    return await _change(request, request.app[SERVICES].users.suspend)


@routes.post("/management/v1/users/{user_id}/unsuspend")
@routes.post("/management/v1/users/{user_id}/restore")
async def restore(request: web.Request) -> web.Response:
    """A suspended user is active again."""
    return await _change(request, request.app[SERVICES].users.restore)


@routes.delete("/management/v1/users/{user_id}")
async def delete(request: web.Request) -> web.Response:
    """Ends the user for good."""
    return await _change(request, request.app[SERVICES].users.delete)


async def _change(
    request: web.Request, command: Callable[..., Awaitable[int | None]]
) -> web.Response:
    operator_id = await operator_of(request)
    user_id = request.match_info["user_id"]
    position = await command(
        user_id, actor=f"operator:{operator_id}", request_id=identity_of(request).request_id
    )
    view = request.app[SERVICES].views.users
    return await done(request, position, view=view, item_id=user_id)
