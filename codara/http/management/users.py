"""Users, as operators see them: provisioned, changed, suspended, deleted."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import attrs

from codara.application.users import NewUser
from codara.events.base import Cause
from codara.events.vocabulary import UserRole, UserStatus
from codara.http.answers import done, listing, one
from codara.http.envelope import Answer
from codara.http.keys import KeyShown
from codara.http.planes import OPERATOR, Operator
from codara.http.routing import Asked, Routes
from codara.http.shapes import ItemQuery, ListQuery, Nothing
from codara.projections.users import UserDetails, UserRow

routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class UserRequest:
    """A user to be; `max_concurrency` is `users.max_concurrency` if it says nothing."""

    email: str
    display_name: str | None = None
    key_label: str | None = None
    key_expires_at: datetime | None = None
    max_concurrency: int | None = None


@attrs.frozen(kw_only=True)
class ProvisionedUser(UserDetails):
    """A fresh user with the first key, whose secret is shown this once."""

    api_key: KeyShown


@attrs.frozen(kw_only=True)
class UserChange:
    """Changes what it names."""

    display_name: str | None = None
    max_concurrency: int | None = None


@attrs.frozen(kw_only=True)
class UsersQuery(ListQuery):
    """Asks for users."""

    status: UserStatus | None = None
    role: UserRole | None = None


@routes.post("/users", body=UserRequest, answer=ProvisionedUser, status=201)
async def provision(asked: Asked[Operator, Nothing, UserRequest]) -> Answer[ProvisionedUser]:
    """Makes a user with a first key (`api_key`), whose secret is shown here and never again."""
    services = asked.services
    made = await services.users.provision(NewUser(**attrs.asdict(asked.body)), asked.cause)
    also = {
        "user_id": made.user_id,
        "email": made.email,
        "display_name": made.display_name,
        "max_concurrency": made.max_concurrency,
        "api_key": attrs.asdict(KeyShown.of(made.key)),
    }
    users = services.views.users
    return await done(
        asked, made.position, view=users, item_id=made.user_id, also=also, secret=True
    )


@routes.get("/users", query=UsersQuery, answer=list[UserRow])
async def list_users(asked: Asked[Operator, UsersQuery, Nothing]) -> Answer[list[UserRow]]:
    """Lists the users, newest first."""
    return await listing(asked, asked.services.views.users)


@routes.get("/users/{user_id}", query=ItemQuery, answer=UserDetails)
async def show_user(asked: Asked[Operator, ItemQuery, Nothing]) -> Answer[UserDetails]:
    """Shows one user with their keys."""
    return await one(asked, asked.services.views.users, asked.path["user_id"])


@routes.patch("/users/{user_id}", body=UserChange, answer=UserDetails)
async def update(asked: Asked[Operator, Nothing, UserChange]) -> Answer[UserDetails]:
    """Changes the display name, the limit of turns at once, or both."""
    services, user_id = asked.services, asked.path["user_id"]
    position = await services.users.update(user_id, asked.cause, **attrs.asdict(asked.body))
    return await done(asked, position, view=services.views.users, item_id=user_id)


@routes.post("/users/{user_id}/suspend", body=Nothing, answer=UserDetails)
async def suspend(asked: Asked[Operator, Nothing, Nothing]) -> Answer[UserDetails]:
    """Closes the user's keys until the user is restored."""
    return await _changed(asked, asked.services.users.suspend)


@routes.post("/users/{user_id}/unsuspend", body=Nothing, answer=UserDetails)
@routes.post("/users/{user_id}/restore", body=Nothing, answer=UserDetails)
async def restore(asked: Asked[Operator, Nothing, Nothing]) -> Answer[UserDetails]:
    """Makes a suspended user active again."""
    return await _changed(asked, asked.services.users.restore)


@routes.delete("/users/{user_id}", answer=UserDetails)
async def delete(asked: Asked[Operator, Nothing, Nothing]) -> Answer[UserDetails]:
    """Ends the user for good."""
    return await _changed(asked, asked.services.users.delete)


async def _changed(
    asked: Asked[Operator, Nothing, Nothing],
    command: Callable[[str, Cause], Awaitable[int | None]],
) -> Answer[UserDetails]:
    user_id = asked.path["user_id"]
    position = await command(user_id, asked.cause)
    return await done(asked, position, view=asked.services.views.users, item_id=user_id)
