"""Facts of an API key."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event, private


@attrs.frozen(kw_only=True)
class KeyIssued(Event):
    """An API key exists; the stream's name is an HMAC of it, and the key itself is not stored."""

    name: ClassVar[str] = "key.issued"
    key_id: str
    user_id: str
    until: datetime | None = None
    label: str = private()


@attrs.frozen(kw_only=True)
class KeyRevoked(Event):
    name: ClassVar[str] = "key.revoked"
    key_id: str
    user_id: str
