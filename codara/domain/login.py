"""A login: what the log says of its tokens, which the gateway refreshes."""

from datetime import datetime, timedelta

import attrs

from codara.domain.account import Account
from codara.events.account import TokenRefreshed
from codara.events.base import Event

LEEWAY = timedelta(minutes=5)
"""A token is refreshed once less than this is left of its time."""


@attrs.frozen(kw_only=True)
class Refreshed:
    """The last refresh: the credential that it began with, and what the vault holds since.

    Both are fingerprints; empty before the first refresh.
    """

    origin: str = ""
    fingerprint: str = ""


EMPTY = Refreshed()


def evolve(state: Refreshed, event: Event) -> Refreshed:
    """Returns the state after one more event."""
    match event:
        case TokenRefreshed():
            return Refreshed(origin=event.origin, fingerprint=event.fingerprint)
        case _:
            return state


def is_due(expires_at: datetime | None, now: datetime) -> bool:
    """Tells whether a token should be refreshed; never for a token without an expiry time."""
    return expires_at is not None and expires_at - LEEWAY <= now


def lasts(expires_at: datetime | None, now: datetime) -> bool:
    """Tells whether a token is still good."""
    return expires_at is None or expires_at > now


def descends(state: Refreshed, account: Account, *, handed_in: str) -> bool:
    """Tells whether the vault's tokens were made from the credential that is handed in again.

    That credential's own tokens are spent by then: to store them again would end the login.
    """
    return account.exists and handed_in == account.fingerprint == state.origin


def refresh(account: Account, *, fingerprint: str, expires_at: datetime | None) -> list[Event]:
    """Records that the account's login has new tokens; empty if the account is removed."""
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
