"""An idempotency key: which turn was started with it."""

import attrs

from codara.errors import IdempotencyConflict
from codara.events.base import Event
from codara.events.idempotency import IdempotencyClaimed, IdempotencyFreed


@attrs.frozen(kw_only=True)
class Idempotency:
    turn_id: str | None = None
    session_id: str = ""
    body_digest: str = ""


EMPTY = Idempotency()


def evolve(state: Idempotency, event: Event) -> Idempotency:
    """Returns the state after one more event."""
    match event:
        case IdempotencyClaimed():
            return Idempotency(
                turn_id=event.turn_id,
                session_id=event.session_id,
                body_digest=event.body_digest,
            )
        case IdempotencyFreed() if state.turn_id == event.turn_id:
            return EMPTY
        case _:
            return state


def earlier_turn(state: Idempotency, body_digest: str) -> str | None:
    """Returns the turn that was started with this key; None if there was none.

    IdempotencyConflict if that turn's request had another body.
    """
    if state.turn_id is not None and state.body_digest != body_digest:
        raise IdempotencyConflict(
            "This Idempotency-Key was used with another request body. "
            "Use a new key for a new request.",
            param="Idempotency-Key",
            retry_safe=False,
        )
    return state.turn_id
