"""A lease slot: held by one turn until it gives it back, or until the time is over."""

from datetime import datetime

import attrs

from codara.events.base import Event
from codara.events.lease import LeaseReleased, LeaseTaken


@attrs.frozen(kw_only=True)
class Lease:
    turn_id: str | None = None
    until: datetime | None = None

    def free(self, now: datetime) -> bool:
        """Nobody holds the slot, or whoever held it has overstayed."""
        return self.turn_id is None or self.until is None or self.until <= now


EMPTY = Lease()


def evolve(state: Lease, event: Event) -> Lease:
    """Folds one event."""
    match event:
        case LeaseTaken():
            return Lease(turn_id=event.turn_id, until=event.until)
        case LeaseReleased() if state.turn_id == event.turn_id:
            return EMPTY
        case _:
            return state


def release(state: Lease, *, turn_id: str) -> list[Event]:
    """Gives the slot back, if it is still this turn's."""
    return [LeaseReleased(turn_id=turn_id)] if state.turn_id == turn_id else []
