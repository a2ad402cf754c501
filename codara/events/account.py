"""Facts of an account: a credential of one provider that turns borrow."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event, private


@attrs.frozen(kw_only=True)
class AccountRegistered(Event):
    name: ClassVar[str] = "account.registered"
    account_id: str
    provider: str
    auth_type: str
    """`API_KEY` or `OAUTH_SESSION`."""
    label: str = private()


@attrs.frozen(kw_only=True)
class CredentialStored(Event):
    """The vault holds a credential; `fingerprint` tells two apart and gives nothing away."""

    name: ClassVar[str] = "account.credential_stored"
    account_id: str
    fingerprint: str


@attrs.frozen(kw_only=True)
class TokenRefreshed(Event):
    """The vault holds a login's next tokens; its access token is good until `expires_at`.

    `origin` is the fingerprint of the credential that was handed in, from which they descend.
    """

    name: ClassVar[str] = "account.token_refreshed"
    account_id: str
    origin: str
    fingerprint: str
    expires_at: datetime | None = None


@attrs.frozen(kw_only=True)
class HealthChanged(Event):
    """`before` and `after` are ready, cooldown, exhausted, expired, disabled or error."""

    name: ClassVar[str] = "account.health_changed"
    account_id: str
    before: str
    after: str
    cause: str
    until: datetime | None = None
    evidence: str = private(default="")


@attrs.frozen(kw_only=True)
class AccountRemoved(Event):
    name: ClassVar[str] = "account.removed"
    account_id: str


@attrs.frozen(kw_only=True)
class QuotaWindow:
    """A window of a provider's quota, as the provider last told it."""

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
