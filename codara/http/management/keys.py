"""The API keys of a user, as operators handle them."""

from datetime import datetime

import attrs

from codara.errors import InvalidRequest
from codara.http.answers import done, found
from codara.http.envelope import Answer
from codara.http.keys import KeyRequest, KeyShown, RevokedKey, active_ids, all_keys
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import ItemQuery, Nothing
from codara.projections.users import ApiKeyRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class KeyRotation:
    """A key for the place of `key_id`, or of every active one if it names none."""

    key_id: str | None = None
    label: str | None = None
    expires_at: datetime | None = None


@routes.get("/users/{user_id}/keys", query=ItemQuery, answer=list[ApiKeyRow])
async def list_keys(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[list[ApiKeyRow]]:
    """Lists every key of the user, newest first."""
    return await all_keys(asked, asked.path["user_id"])


@routes.post("/users/{user_id}/keys", body=KeyRequest, answer=KeyShown, status=201)
async def issue(asked: Asked[Operator, Nothing, KeyRequest]) -> Answer[KeyShown]:
    """Makes one more key; its secret is shown here and never again."""
    body = asked.body
    key = await asked.services.users.issue_key(
        asked.path["user_id"], asked.cause, label=body.label, until=body.expires_at
    )
    return await done(asked, key.position, data=KeyShown.of(key), secret=True)


@routes.post("/users/{user_id}/keys/rotate", body=KeyRotation, answer=KeyShown, status=201)
async def rotate(asked: Asked[Operator, Nothing, KeyRotation]) -> Answer[KeyShown]:
    """Makes a key in the place of one, or of every active one."""
    services, body, user_id = asked.services, asked.body, asked.path["user_id"]
    if body.key_id == "":
        raise InvalidRequest(
            "key_id is empty. Name a key, or leave key_id out to replace every active one.",
            param="key_id",
        )
    if body.key_id is not None:
        old = [body.key_id]
    else:
        old = active_ids(await found(asked, services.views.users, user_id))
    key = await services.users.rotate_key(
        user_id, old, asked.cause, label=body.label, until=body.expires_at
    )
    return await done(asked, key.position, data=KeyShown.of(key), secret=True)


@routes.delete("/users/{user_id}/keys/{key_id}", answer=RevokedKey)
async def revoke(asked: Asked[Operator, Nothing, Nothing]) -> Answer[RevokedKey]:
    """Closes the key from now on."""
    key_id = asked.path["key_id"]
    position = await asked.services.users.revoke_key(asked.path["user_id"], key_id, asked.cause)
    return await done(asked, position, data=RevokedKey(key_id=key_id))
