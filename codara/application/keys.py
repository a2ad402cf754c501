"""API keys as they are made: 62^32 of them, each shown once."""

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
    """A fresh key. `raw_key` is known here and nowhere else: it is shown once."""

    key_id: str
    raw_key: str = attrs.field(repr=False)
    label: str
    expires_at: datetime | None
    position: int | None = None


def fresh_key(key_id: str, label: str, until: datetime | None, *, param: str) -> IssuedKey:
    """A key nobody has had before; InvalidRequest, naming `param`, for a label that is no line."""
    return IssuedKey(
        key_id=key_id,
        raw_key=KEY_PREFIX + "".join(secrets.choice(_BASE_62) for _ in range(32)),
        label=text.one_line(label, param=param) or "default",
        expires_at=until,
    )


def has_form(raw_key: str) -> bool:
    """Whether it could be a key at all."""
    return _RAW_KEY.fullmatch(raw_key) is not None


def issue(state: key.Key, fresh: IssuedKey, user_id: str, now: datetime) -> list[Event]:
    """The decision to give `fresh` to the user."""
    return key.issue(
        state,
        key_id=fresh.key_id,
        user_id=user_id,
        label=fresh.label,
        until=fresh.expires_at,
        now=now,
    )
