"""Facts that make one thing of many contenders: leases, unique names, idempotency keys."""

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


@attrs.frozen(kw_only=True)
class NameClaimed(Event):
    """A value that may exist once (an e-mail address, a workspace's label) belongs to `owner`."""

    name: ClassVar[str] = "name.claimed"
    kind: str
    owner: str


@attrs.frozen(kw_only=True)
class NameFreed(Event):
    name: ClassVar[str] = "name.freed"
    owner: str


@attrs.frozen(kw_only=True)
class IdempotencyClaimed(Event):
    name: ClassVar[str] = "idempotency.claimed"
    request_id: str
    turn_id: str
    session_id: str
    body_digest: str


@attrs.frozen(kw_only=True)
class IdempotencyFreed(Event):
    """The turn failed before it could have done anything: the same key may start another."""

    name: ClassVar[str] = "idempotency.freed"
    turn_id: str
