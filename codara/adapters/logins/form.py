"""What the refresher asks of a vendor's logins, and what all of them share."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import attrs

from codara.application.ports.logins import Token
from codara.errors import AgentFailed

Login = dict[str, Any]


@attrs.frozen(kw_only=True)
class Grant:
    """How a refresh is asked for; `as_json` says how its fields are written."""

    fields: Mapping[str, str] = attrs.field(repr=False)
    as_json: bool


class LoginForm(Protocol):
    """One vendor's logins."""

    @property
    def path(self) -> str:
        """Where the CLI keeps its login, from the home folder of who logged in."""

    @property
    def url(self) -> str:
        """The vendor's own token endpoint."""

    def token(self, login: Login) -> Token: ...

    async def grant(self, login: Login) -> Grant | None:
        """None if the login holds nothing to refresh it with."""

    def renewed(self, login: Login, answer: Mapping[str, Any], now: datetime) -> Login:
        """Returns the login with what the endpoint answered."""


def read(login: bytes) -> Login:
    """Reads the login file; AgentFailed if it is not one."""
    try:
        held = json.loads(login)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise unreadable()
    return held


def unreadable() -> AgentFailed:
    return AgentFailed("the login cannot be read; hand it in again", cause="auth_failed")


def below(login: Login, name: str) -> Login:
    """Returns the object of that name; an empty one if it is missing."""
    held = login.get(name)
    return held if isinstance(held, dict) else {}


def text(held: Mapping[str, Any], name: str) -> str:
    """Returns the string of that name; AgentFailed if it is missing."""
    value = held.get(name)
    if not isinstance(value, str) or not value:
        raise unreadable()
    return value


def end_of(answer: Mapping[str, Any], now: datetime) -> datetime | None:
    """Returns when the tokens of an answer expire; None where it does not tell."""
    seconds = answer.get("expires_in")
    return now + timedelta(seconds=seconds) if isinstance(seconds, int | float) else None


def from_milliseconds(value: object) -> datetime | None:
    """Returns a moment as JavaScript writes it."""
    return datetime.fromtimestamp(value / 1000, UTC) if isinstance(value, int | float) else None


def in_milliseconds(moment: datetime | None) -> int | None:
    """Returns the same, written."""
    return None if moment is None else int(moment.timestamp() * 1000)
