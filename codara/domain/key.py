"""An API key: whose it is, and whether it still works."""

from datetime import datetime

import attrs

from codara.errors import Conflict, InvalidApiKey, InvalidRequest, NotFound
from codara.events.base import Event
from codara.events.key import KeyIssued, KeyRevoked


@attrs.frozen(kw_only=True)
class Key:
    key_id: str = ""
    user_id: str = ""
    until: datetime | None = None
    revoked: bool = False

    @property
    def exists(self) -> bool:
        return bool(self.key_id)


EMPTY = Key()


def evolve(state: Key, event: Event) -> Key:
    """Returns the state after one more event."""
    match event:
        case KeyIssued():
            return Key(key_id=event.key_id, user_id=event.user_id, until=event.until)
        case KeyRevoked() if state.key_id == event.key_id:
            return attrs.evolve(state, revoked=True)
        case _:
            return state


def issue(
    state: Key, *, key_id: str, user_id: str, label: str, until: datetime | None, now: datetime
) -> list[Event]:
    """Gives the user a new key.

    InvalidRequest if the key would have expired already; Conflict if it exists.
    """
    if state.exists:
        raise Conflict("This key exists already. Ask for another one.")
    if until is not None and until <= now:
        raise InvalidRequest(
            f"The key would have expired already, at {until.isoformat()}. Name a later time.",
            param="expires_at",
        )
    return [KeyIssued(key_id=key_id, user_id=user_id, label=label, until=until)]


def until_of_minted(until: datetime | None, *, minting: datetime | None) -> datetime | None:
    """Returns when a key expires that is made with another key, which expires at `minting`.

    That is `until`, or else when the other one expires (None: never). InvalidRequest if `until` is
    later: a key that ends could otherwise be followed by others without end.
    """
    if minting is None:
        return until
    if until is not None and until > minting:
        raise InvalidRequest(
            f"The new key would expire at {until.isoformat()}, after the key that makes it, which "
            f"expires at {minting.isoformat()}. Name that time or an earlier one, or ask an "
            "operator for a key that lasts longer.",
            param="expires_at",
        )
    return minting if until is None else until


def revoke(state: Key, *, key_id: str, user_id: str) -> list[Event]:
    """Ends the key; empty if it has ended already. NotFound if the key is not this user's."""
    if state.key_id != key_id or state.user_id != user_id:
        raise NotFound(f"There is no key {key_id}.")
    return [] if state.revoked else [KeyRevoked(key_id=key_id, user_id=user_id)]


def admit(state: Key, *, now: datetime) -> None:
    """Raises InvalidApiKey if the key is unknown, revoked or expired."""
    if not state.exists:
        raise InvalidApiKey("This API key is not one of this gateway's.")
    if state.revoked:
        raise InvalidApiKey("The API key was revoked. Ask for a new one.")
    if state.until is not None and state.until <= now:
        raise InvalidApiKey(f"The API key expired at {state.until.isoformat()}.")
