"""Accounts: which can be lent, their status, and how much quota is known to be left."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

import attrs

from codara.clock import Clock
from codara.events.account import (
    AccountRegistered,
    AccountRemoved,
    CredentialStored,
    HealthChanged,
    QuotaObserved,
    TokenRefreshed,
)
from codara.events.base import Recorded
from codara.events.session import AccountChanged, TurnStarted
from codara.events.vocabulary import AccountStatus
from codara.projections.account_rows import AccountRow, windows_of
from codara.projections.engine.base import (
    ReadableLog,
    Statement,
    as_json,
    moment,
    moment_or_none,
    sealed,
)
from codara.projections.engine.queries import Page, Reader, Row, equal
from codara.projections.headroom import headroom

_REGISTERED = """
INSERT INTO accounts (opened, account_id, provider, auth_type, label, created_at, updated_at,
    position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id) DO UPDATE SET auth_type = excluded.auth_type, label = excluded.label,
    updated_at = excluded.updated_at, position = excluded.position
"""
_CREDENTIAL = """
UPDATE accounts SET fingerprint = ?, refreshed_at = NULL, token_expires_at = NULL, updated_at = ?,
    position = ?
WHERE account_id = ?
"""
_REFRESHED = """
UPDATE accounts SET fingerprint = ?, refreshed_at = ?, token_expires_at = ?, position = ?
WHERE account_id = ?
"""
_HEALTH = """
UPDATE accounts SET status = ?, cause = ?, until = ?, evidence = ?, updated_at = ?, position = ?
WHERE account_id = ?
"""
_REMOVED = "DELETE FROM accounts WHERE account_id = ?"
_QUOTA = """
UPDATE accounts SET windows = ?, quota_source = ?, quota_at = ?, position = ?
WHERE account_id = ?
"""
_USED = """
UPDATE accounts SET last_used_at = ?, turns = turns + 1, position = ? WHERE account_id = ?
"""


class AccountsProjection:
    """One row for each registered account; that of a removed account is deleted."""

    name: ClassVar[str] = "accounts"
    version: ClassVar[int] = 4
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            AccountRegistered,
            CredentialStored,
            TokenRefreshed,
            HealthChanged,
            AccountRemoved,
            QuotaObserved,
            TurnStarted,
            AccountChanged,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE accounts (
        opened INTEGER PRIMARY KEY, account_id TEXT NOT NULL UNIQUE, provider TEXT NOT NULL,
        auth_type TEXT NOT NULL, label TEXT, status TEXT NOT NULL DEFAULT 'ready', cause TEXT,
        until TEXT, evidence TEXT, cli_primary INTEGER NOT NULL DEFAULT 0, fingerprint TEXT,
        refreshed_at TEXT, token_expires_at TEXT,
        windows TEXT, quota_source TEXT, quota_at TEXT, last_used_at TEXT,
        turns INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
        position INTEGER NOT NULL
    ) STRICT;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position, at = recorded.event, recorded.position, moment(recorded.metadata.at)
        match event:
            case TurnStarted() | AccountChanged():
                yield _USED, (at, position, event.account_chosen.account_id)
            case QuotaObserved():
                seen = (as_json(event.windows), event.source, at)
                yield _QUOTA, (*seen, position, event.account_id)
            case HealthChanged():
                why = (event.cause, moment_or_none(event.until), sealed(event.evidence))
                yield _HEALTH, (event.after, *why, at, position, event.account_id)
            case AccountRegistered():
                what = (event.provider, event.auth_type, sealed(event.label))
                yield _REGISTERED, (position, event.account_id, *what, at, at, position)
            case CredentialStored():
                yield _CREDENTIAL, (event.fingerprint, at, position, event.account_id)
            case TokenRefreshed():
                when = (at, moment_or_none(event.expires_at))
                yield _REFRESHED, (event.fingerprint, *when, position, event.account_id)
            case AccountRemoved():
                yield _REMOVED, (event.account_id,)


_READY: AccountStatus = "ready"
_PASSING: tuple[AccountStatus, ...] = ("cooldown", "exhausted")
_OVER = f"status IN {_PASSING} AND until <= ?1"
_LISTED = f"""
* FROM (
    SELECT opened, account_id, provider, auth_type, label,
        CASE WHEN {_OVER} THEN '{_READY}' ELSE status END AS status,
        CASE WHEN {_OVER} THEN NULL ELSE cause END AS cause,
        CASE WHEN {_OVER} THEN NULL ELSE until END AS until,
        CASE WHEN {_OVER} THEN NULL ELSE evidence END AS evidence,
        cli_primary, fingerprint, refreshed_at, token_expires_at, windows, quota_source,
        quota_at, last_used_at, turns, created_at, updated_at, position
    FROM accounts
)
"""  # noqa: S608


@attrs.frozen(kw_only=True)
class Standing:
    """An account as ranking sees it; `headroom` is in percent, None if never observed."""

    account_id: str
    provider: str
    status: AccountStatus
    until: datetime | None
    headroom: float | None
    last_used_at: datetime | None
    primary: bool


_STANDINGS = """
SELECT account_id, provider, status, until, cli_primary, windows, quota_at, last_used_at
FROM accounts ORDER BY opened
"""


@attrs.define
class AccountQueries:
    """Queries for accounts; one whose cooldown is over reads `ready`, in the log or not.

    `position` tells how far the read models are: until that changes, what ranking needs is kept in
    memory.
    """

    reader: Reader
    log: ReadableLog
    clock: Clock
    position: Callable[[], int]
    _remembered: Sequence[Row] = attrs.field(default=(), init=False)
    _remembered_of: tuple[int, int] | None = attrs.field(default=None, init=False)

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        provider: str | None = None,
        status: str | None = None,
    ) -> Page[AccountRow]:
        """Returns a page of accounts, the latest registered first."""
        page = await self.reader.page(
            _LISTED,
            equal(provider=provider, status=status),
            key="opened",
            limit=limit,
            cursor=cursor,
            given=self._now(),
        )
        return page.of(self._item)

    async def get(self, account_id: str) -> AccountRow | None:
        """Returns one account; None if it does not exist."""
        row = await self.reader.row(
            f"SELECT {_LISTED} WHERE account_id = ?2", (*self._now(), account_id)
        )
        return None if row is None else self._item(row)

    async def of_provider(self, provider: str) -> Sequence[Standing]:
        """Returns all registered accounts of the provider, the first registered first."""
        if self._remembered_of != self._moment():
            await self.remember()
        return [self._standing(row) for row in self._remembered if row["provider"] == provider]

    async def remember(self) -> None:
        """Reads into memory what `of_provider` returns."""
        moment_of_asking = self._moment()
        rows = await self.reader.rows(_STANDINGS)
        self._remembered, self._remembered_of = rows, moment_of_asking

    def _moment(self) -> tuple[int, int]:
        """Returns how far the rows are, and of which file."""
        return self.position(), self.reader.generation

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> AccountRow:
        return AccountRow.of(row, self.log, headroom=self._headroom(row))

    def _standing(self, row: Row) -> Standing:
        until = _time(row["until"])
        over = row["status"] in _PASSING and until is not None and until <= self.clock()
        return Standing(
            account_id=row["account_id"],
            provider=row["provider"],
            status=_READY if over else row["status"],
            until=None if over else until,
            headroom=self._headroom(row),
            last_used_at=_time(row["last_used_at"]),
            primary=bool(row["cli_primary"]),
        )

    def _headroom(self, row: Row) -> float | None:
        windows, seen_at = windows_of(row["windows"]), _time(row["quota_at"])
        if windows is None or seen_at is None:
            return None
        return headroom(windows, seen_at, self.clock())


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
