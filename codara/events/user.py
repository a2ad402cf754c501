"""Facts of a user."""

from typing import ClassVar

import attrs

from codara.events.base import Event, private
from codara.events.vocabulary import UserRole


@attrs.frozen(kw_only=True)
class UserProvisioned(Event):
    name: ClassVar[str] = "user.provisioned"
    user_id: str
    max_concurrency: int
    role: UserRole = "user"
    """`user`, or `admin` for the Dashboard Admin, as whom operators' turns run."""
    email: str = private()
    display_name: str = private()


@attrs.frozen(kw_only=True)
class UserUpdated(Event):
    name: ClassVar[str] = "user.updated"
    user_id: str
    max_concurrency: int
    display_name: str = private()


@attrs.frozen(kw_only=True)
class Suspended(Event):
    name: ClassVar[str] = "user.suspended"
    user_id: str


@attrs.frozen(kw_only=True)
class UserRestored(Event):
    name: ClassVar[str] = "user.restored"
    user_id: str


@attrs.frozen(kw_only=True)
class UserDeleted(Event):
    name: ClassVar[str] = "user.deleted"
    user_id: str
