"""Facts of an account: a credential of one provider, lent to turns."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event, private
from codara.events.vocabulary import AccountStanding, AuthType


@attrs.frozen(kw_only=True)
class AccountRegistered(Event):
    name: ClassVar[str] = "account.registered"
    account_id: str
    provider: str
    auth_type: AuthType
    """`API_KEY` or `OAUTH_SESSION`."""
    label: str = private()


@attrs.frozen(kw_only=True)
class CredentialStored(Event):
    """The vault holds a credential; `fingerprint` tells it from others and does not reveal it.

    `sameness` is a fingerprint, too: of the key itself, or of who logged in. No two accounts have
    the same. It is empty in events from before there was one.
    """

    name: ClassVar[str] = "account.credential_stored"
    account_id: str
    fingerprint: str
    sameness: str = ""


@attrs.frozen(kw_only=True)
class TokenRefreshed(Event):
    """The vault holds a login's new tokens; the access token is good until `expires_at`.

    `origin` is the fingerprint of the credential that was handed in, from which the tokens descend.
    """

    name: ClassVar[str] = "account.token_refreshed"
    account_id: str
    origin: str
    fingerprint: str
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class HealthChanged(Event):
    """The account's status changed; `until` is when a passing one ends."""

    name: ClassVar[str] = "account.health_changed"
    account_id: str
    before: AccountStanding
    after: AccountStanding
    cause: str
    until: datetime | None = None
    evidence: str = private(default="")


@attrs.frozen(kw_only=True)
class AccountRemoved(Event):
    name: ClassVar[str] = "account.removed"
    account_id: str


@attrs.frozen(kw_only=True)
class QuotaWindow:
    """A window of a provider's quota, as the provider last reported it."""

    name: str
    used_percent: float | None
    minutes: int | None
    resets_at: datetime | None


@attrs.frozen(kw_only=True)
class QuotaObserved(Event):
    name: ClassVar[str] = "quota.observed"
    account_id: str
    source: str
    windows: tuple[QuotaWindow, ...]
