"""A login: what the log knows of its tokens, which the gateway refreshes."""

from datetime import datetime, timedelta

import attrs

from codara.domain.account import Account
from codara.events.account import TokenRefreshed
from codara.events.base import Event

LEEWAY = timedelta(minutes=5)
"""A token is refreshed as soon as it is good for less."""


@attrs.frozen(kw_only=True)
class Refreshed:
    """The last refresh: of which credential, and what the vault has held since."""

    origin: str = ""
    fingerprint: str = ""


EMPTY = Refreshed()


def evolve(state: Refreshed, event: Event) -> Refreshed:
    """Folds one event."""
    match event:
        case TokenRefreshed():
            return Refreshed(origin=event.origin, fingerprint=event.fingerprint)
        case _:
            return state


def is_due(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a token is to be refreshed; one that tells no end is taken to last."""
    return expires_at is not None and expires_at - LEEWAY <= now


def lasts(expires_at: datetime | None, now: datetime) -> bool:
    """Whether a token is still good."""
    return expires_at is None or expires_at > now


def descends(state: Refreshed, account: Account, *, handed_in: str) -> bool:
    """Whether the vault's tokens were made from the very credential that is handed in again.

    Those it began with are spent by then: to store them again would end the login.
    """
    return account.exists and handed_in == account.fingerprint == state.origin


def refresh(account: Account, *, fingerprint: str, expires_at: datetime | None) -> list[Event]:
    """The account's login has new tokens; nothing if the account is gone by now."""
    if not account.exists:
        return []
    return [
        TokenRefreshed(
            account_id=account.account_id,
            origin=account.fingerprint,
            fingerprint=fingerprint,
            expires_at=expires_at,
        )
    ]
