"""Facts of a lease: one of several slots, held by one turn at a time."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class LeaseTaken(Event):
    """A turn holds one slot of `owner` until `until`; the stream's version is the fence."""

    name: ClassVar[str] = "lease.taken"
    kind: str
    owner: str
    slot: int
    turn_id: str
    until: datetime


@attrs.frozen(kw_only=True)
class LeaseReleased(Event):
    name: ClassVar[str] = "lease.released"
    turn_id: str
