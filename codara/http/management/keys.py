"""The API keys of a user, as operators handle them."""

from aiohttp import web

from codara.http.answers import done, found
from codara.http.auth import operator_of
from codara.http.body import json_object
from codara.http.decoding import Fields
from codara.http.keys import active_ids, all_keys, shown_once, unstored
from codara.http.requests import identity_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()


@routes.get("/management/v1/users/{user_id}/keys")
async def list_keys(request: web.Request) -> web.Response:
    """Every key of the user, newest first."""
    await operator_of(request)
    view = request.app[SERVICES].views.users
    return all_keys(request, await found(request, view, request.match_info["user_id"]))


@routes.post("/management/v1/users/{user_id}/keys")
async def issue(request: web.Request) -> web.Response:
    """One more key; its secret is shown here and never again."""
    operator_id = await operator_of(request)
    fields = Fields(await json_object(request))
    key = await request.app[SERVICES].users.issue_key(
        request.match_info["user_id"],
        label=fields.maybe_text("label"),
        until=fields.maybe_moment("expires_at"),
        actor=f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    return unstored(await done(request, key.position, also=shown_once(key), status=201))


@routes.post("/management/v1/users/{user_id}/keys/rotate")
async def rotate(request: web.Request) -> web.Response:
    """A new key in the place of `key_id`, or of every active one if none is named."""
    operator_id = await operator_of(request)
    fields = Fields(await json_object(request))
    services, user_id = request.app[SERVICES], request.match_info["user_id"]
    named = fields.maybe_text("key_id")
    old = [named] if named else active_ids(await found(request, services.views.users, user_id))
    key = await services.users.rotate_key(
        user_id,
        old,
        label=fields.maybe_text("label"),
        until=fields.maybe_moment("expires_at"),
        actor=f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    return unstored(await done(request, key.position, also=shown_once(key), status=201))


@routes.delete("/management/v1/users/{user_id}/keys/{key_id}")
async def revoke(request: web.Request) -> web.Response:
    """The key opens nothing from now on."""
    operator_id = await operator_of(request)
    key_id = request.match_info["key_id"]
    position = await request.app[SERVICES].users.revoke_key(
        request.match_info["user_id"],
        key_id,
        actor=f"operator:{operator_id}",
        request_id=identity_of(request).request_id,
    )
    return await done(request, position, also={"key_id": key_id, "revoked": True})
