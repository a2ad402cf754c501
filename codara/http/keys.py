"""How an API key is requested and shown: once with its secret, afterwards without."""

from datetime import datetime
from typing import Any

import attrs

from codara.application.keys import IssuedKey
from codara.http.answers import found
from codara.http.envelope import Answer
from codara.http.routing import Asked
from codara.projections.engine.queries import Page
from codara.projections.users import ApiKeyRow, UserDetails


@attrs.frozen(kw_only=True)
class KeyRequest:
    """A key to make; without `expires_at` it never expires."""

    label: str | None = None
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class KeyShown:
    """A new key with its secret."""

    key_id: str
    raw_key: str = attrs.field(repr=False)
    label: str
    expires_at: datetime | None

    @classmethod
    def of(cls, key: IssuedKey) -> "KeyShown":
        """Returns what is shown of a key that was just issued."""
        return cls(
            key_id=key.key_id, raw_key=key.raw_key, label=key.label, expires_at=key.expires_at
        )


@attrs.frozen(kw_only=True)
class RevokedKey:
    """Says that a key does not work any more."""

    key_id: str
    revoked: bool = True


async def all_keys(asked: Asked[Any, Any, Any], user_id: str) -> Answer[list[ApiKeyRow]]:
    """Answers every key that the user ever had, newest first, in one page.

    NotFound if there is no such user.
    """
    views = asked.services.views
    user: UserDetails = await found(asked, views.users, user_id)
    keys = list(user.api_keys)
    page = Page(items=keys, cursor=None, has_more=False)
    return Answer(data=keys, position=views.position(), page=page)


def active_ids(user: UserDetails) -> list[str]:
    """Returns the ids of the keys that work at present."""
    return [key.key_id for key in user.api_keys if key.status == "active"]
