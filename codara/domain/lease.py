"""A lease: a slot held by one turn until the turn gives it back, or until the time is over."""

from datetime import datetime

import attrs

from codara.events.base import Event
from codara.events.lease import LeaseReleased, LeaseTaken


@attrs.frozen(kw_only=True)
class Lease:
    turn_id: str | None = None
    until: datetime | None = None

    def free(self, now: datetime) -> bool:
        """Tells whether nobody holds the slot, or its holder's time is over."""
        return self.turn_id is None or self.until is None or self.until <= now


EMPTY = Lease()


def evolve(state: Lease, event: Event) -> Lease:
    """Returns the state after one more event."""
    match event:
        case LeaseTaken():
            return Lease(turn_id=event.turn_id, until=event.until)
        case LeaseReleased() if state.turn_id == event.turn_id:
            return EMPTY
        case _:
            return state


def release(state: Lease, *, turn_id: str) -> list[Event]:
    """Gives the slot back; empty if this turn does not hold it."""
    return [LeaseReleased(turn_id=turn_id)] if state.turn_id == turn_id else []
