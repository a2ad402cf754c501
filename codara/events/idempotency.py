"""Facts of an idempotency key: the turn that was started with it."""

from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class IdempotencyClaimed(Event):
    name: ClassVar[str] = "idempotency.claimed"
    request_id: str
    turn_id: str
    session_id: str
    body_digest: str


@attrs.frozen(kw_only=True)
class IdempotencyFreed(Event):
    """The turn failed before it could have done anything: the same key may start another turn."""

    name: ClassVar[str] = "idempotency.freed"
    turn_id: str
