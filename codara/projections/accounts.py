"""Accounts: which can be lent, their status, and how much quota is known to be left."""

from collections.abc import Iterable
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
from codara.events.windows import full_until
from codara.projections.account_rows import PASSING, READY, AccountRow
from codara.projections.engine.base import (
    ReadableLog,
    Statement,
    as_json,
    moment,
    moment_or_none,
    sealed,
)
from codara.projections.engine.queries import Page, Reader, Row, equal
from codara.projections.headroom import headroom_of

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
UPDATE accounts SET windows = ?, full_until = ?, quota_source = ?, quota_at = ?, position = ?
WHERE account_id = ?
"""
_USED = """
UPDATE accounts SET last_used_at = ?, turns = turns + 1, position = ? WHERE account_id = ?
"""


class AccountsProjection:
    """One row for each registered account; that of a removed account is deleted."""

    name: ClassVar[str] = "accounts"
    version: ClassVar[int] = 5
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
        windows TEXT, full_until TEXT, quota_source TEXT, quota_at TEXT, last_used_at TEXT,
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
                yield _QUOTA, (*_seen(event, recorded), position, event.account_id)
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


def _seen(event: QuotaObserved, recorded: Recorded) -> tuple[str | None, ...]:
    at = recorded.metadata.at
    full = moment_or_none(full_until(event.windows, at))
    return as_json(event.windows) if event.windows else None, full, event.source, moment(at)


_OVER = f"status IN {PASSING} AND until <= ?1"
_FULL = f"full_until > ?1 AND (status = '{READY}' OR status IN {PASSING} AND until < full_until)"
"""Whether a full window keeps the account from turns, and for longer than its status does."""
_LISTED = f"""
* FROM (
    SELECT opened, account_id, provider, auth_type, label,
        CASE WHEN {_FULL} THEN 'exhausted' WHEN {_OVER} THEN '{READY}' ELSE status END AS status,
        CASE WHEN {_FULL} THEN 'quota_exhausted' WHEN {_OVER} THEN NULL ELSE cause END AS cause,
        CASE WHEN {_FULL} THEN full_until WHEN {_OVER} THEN NULL ELSE until END AS until,
        CASE WHEN {_OVER} THEN NULL ELSE evidence END AS evidence,
        cli_primary, fingerprint, refreshed_at, token_expires_at, windows, quota_source,
        quota_at, last_used_at, turns, created_at, updated_at, position
    FROM accounts
)
"""  # noqa: S608


@attrs.frozen
class AccountQueries:
    """Queries for accounts, with the status of each as it is now, whatever was recorded last.

    One whose cooldown is over is `ready`; one with a full quota window is `exhausted` until the
    last of its full windows ends.
    """

    reader: Reader
    log: ReadableLog
    clock: Clock

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

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> AccountRow:
        return AccountRow.of(row, self.log, headroom=headroom_of(row, self.clock()))
