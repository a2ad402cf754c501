"""A name: a value that may exist once, and who owns it."""

import attrs

from codara.errors import Conflict
from codara.events.base import Event
from codara.events.name import NameClaimed, NameFreed


@attrs.frozen(kw_only=True)
class Name:
    kind: str = ""
    owner: str | None = None


EMPTY = Name()


def evolve(state: Name, event: Event) -> Name:
    """Returns the state after one more event."""
    match event:
        case NameClaimed():
            return Name(kind=event.kind, owner=event.owner)
        case NameFreed() if state.owner == event.owner:
            return EMPTY
        case _:
            return state


def claim(state: Name, *, kind: str, owner: str, taken: str) -> list[Event]:
    """Makes `owner` the name's owner; Conflict, with the message `taken`, if it has another."""
    if state.owner == owner:
        return []
    if state.owner is not None:
        raise Conflict(taken)
    return [NameClaimed(kind=kind, owner=owner)]


def free(state: Name, *, owner: str) -> list[Event]:
    """Gives the name back; empty if it is not this owner's."""
    return [NameFreed(owner=owner)] if state.owner == owner else []
