"""A name: a value that may exist once, and whose it is."""

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
    """Folds one event."""
    match event:
        case NameClaimed():
            return Name(kind=event.kind, owner=event.owner)
        case NameFreed() if state.owner == event.owner:
            return EMPTY
        case _:
            return state


def claim(state: Name, *, kind: str, owner: str, taken: str) -> list[Event]:
    """The name is `owner`'s from now on; Conflict, in the words of `taken`, if it is another's."""
    if state.owner == owner:
        return []
    if state.owner is not None:
        raise Conflict(taken)
    return [NameClaimed(kind=kind, owner=owner)]


def free(state: Name, *, owner: str) -> list[Event]:
    """Gives the name back, if it is still this owner's."""
    return [NameFreed(owner=owner)] if state.owner == owner else []
