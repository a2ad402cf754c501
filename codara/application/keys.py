"""API keys and how they are made: each is one of 62^32, and shown once."""

import re
import secrets
import string
from datetime import datetime
from typing import Final

import attrs

from codara.domain import key, text
from codara.events.base import Event

KEY_PREFIX: Final = "uagk_live_"
_BASE_62 = string.ascii_letters + string.digits
_RAW_KEY = re.compile(rf"{KEY_PREFIX}[A-Za-z0-9]{{32}}")


@attrs.frozen(kw_only=True)
class IssuedKey:
    """A new key. `raw_key` is the secret itself: it is kept nowhere and shown once."""

    key_id: str
    raw_key: str = attrs.field(repr=False)
    label: str
    expires_at: datetime | None
    position: int | None = None


def fresh_key(key_id: str, label: str, until: datetime | None, *, param: str) -> IssuedKey:
    """Makes a new key; InvalidRequest, naming `param`, if the label is not one line of text."""
    return IssuedKey(
        key_id=key_id,
        raw_key=KEY_PREFIX + "".join(secrets.choice(_BASE_62) for _ in range(32)),
        label=text.one_line(label, param=param) or "default",
        expires_at=until,
    )


def has_form(raw_key: str) -> bool:
    """Tells whether a text has the form of a key."""
    return _RAW_KEY.fullmatch(raw_key) is not None


def issue(state: key.Key, fresh: IssuedKey, user_id: str, now: datetime) -> list[Event]:
    """Decides to give the new key to the user."""
    return key.issue(
        state,
        key_id=fresh.key_id,
        user_id=user_id,
        label=fresh.label,
        until=fresh.expires_at,
        now=now,
    )
