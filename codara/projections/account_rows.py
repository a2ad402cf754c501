"""Rows of accounts: what a client sees of each, made from its columns."""

from datetime import datetime

import attrs
import orjson

from codara.events.vocabulary import AccountStatus, AuthType, HealthCause
from codara.projections.engine.base import ReadableLog, Timestamp
from codara.projections.engine.queries import Row, open_text

READY: AccountStatus = "ready"
PASSING: tuple[AccountStatus, ...] = ("cooldown", "exhausted")
"""The statuses that end by themselves, at `until`."""


@attrs.frozen(kw_only=True)
class WindowRow:
    """A window of a provider's quota, as the provider last reported it."""

    name: str
    used_percent: float | None
    """From 0 to 100; None if the provider gave no percentage."""
    minutes: int | None
    """The length of the window in minutes."""
    resets_at: Timestamp | None


@attrs.frozen(kw_only=True)
class AccountRow:
    """An account as clients see it; its credential is not stored here."""

    account_id: str
    provider: str
    auth_type: AuthType
    label: str | None
    status: AccountStatus
    cause: HealthCause | None
    """Why it has this status; None for an account that was never anything but ready."""
    until: Timestamp | None
    """When the status ends by itself."""
    evidence: str | None
    """What the provider said when the status changed."""
    cli_primary: bool
    """Whether it is lent before others while enough of its quota is left."""
    fingerprint: str | None
    """A text that tells two credentials apart and reveals neither."""
    refreshed_at: Timestamp | None
    """When the tokens of a login were last renewed."""
    token_expires_at: Timestamp | None
    windows: tuple[WindowRow, ...] | None
    """The windows of its quota; None if the provider never reported any."""
    quota_source: str | None
    """Where the windows were observed, such as `headers`."""
    quota_at: Timestamp | None
    """When the windows were observed."""
    last_used_at: Timestamp | None
    turns: int
    """The number of turns that ran on it."""
    created_at: Timestamp
    updated_at: Timestamp
    position: int
    """The log position of the last event folded into it."""
    headroom: float | None
    """Percent left in the fullest window; None if no percentage is known."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog, *, headroom: float | None) -> "AccountRow":
        """Makes an account from its columns; `log` opens the sealed ones."""
        return cls(
            account_id=row["account_id"],
            provider=row["provider"],
            auth_type=row["auth_type"],
            label=open_text(log, row["label"]),
            status=row["status"],
            cause=row["cause"],
            until=row["until"],
            evidence=open_text(log, row["evidence"]),
            cli_primary=bool(row["cli_primary"]),
            fingerprint=row["fingerprint"],
            refreshed_at=row["refreshed_at"],
            token_expires_at=row["token_expires_at"],
            windows=windows_of(row["windows"]),
            quota_source=row["quota_source"],
            quota_at=row["quota_at"],
            last_used_at=row["last_used_at"],
            turns=row["turns"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            position=row["position"],
            headroom=headroom,
        )


def time_of(text: Timestamp | None) -> datetime | None:
    """Reads a time from its column; None if the column is empty."""
    return None if text is None else datetime.fromisoformat(text)


def windows_of(text: str | None) -> tuple[WindowRow, ...] | None:
    """Makes the windows from their column's JSON; None if the column is empty."""
    return None if text is None else tuple(_window(told) for told in orjson.loads(text))


def _window(told: Row) -> WindowRow:
    return WindowRow(
        name=told["name"],
        used_percent=told["used_percent"],
        minutes=told["minutes"],
        resets_at=told["resets_at"],
    )
