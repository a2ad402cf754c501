"""Users, and their API keys."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.key import KeyIssued, KeyRevoked
from codara.events.user import (
    Suspended,
    UserDeleted,
    UserProvisioned,
    UserRestored,
    UserUpdated,
)
from codara.events.vocabulary import KeyStatus, UserRole, UserStatus
from codara.projections.engine.base import (
    ReadableLog,
    Statement,
    Timestamp,
    moment,
    moment_or_none,
    sealed,
)
from codara.projections.engine.queries import Page, Reader, Row, equal, open_text

_PROVISIONED = """
INSERT INTO users (opened, user_id, role, max_concurrency, email, display_name, created_at,
    created_by, updated_at, position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATED = """
UPDATE users SET max_concurrency = ?, display_name = ?, updated_at = ?, position = ?
WHERE user_id = ?
"""
_STATUS = "UPDATE users SET status = ?, updated_at = ?, position = ? WHERE user_id = ?"
_ISSUED = """
INSERT INTO keys (opened, key_id, user_id, stream, label, created_at, expires_at, position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_REVOKED = "UPDATE keys SET revoked_at = ?, position = ? WHERE key_id = ?"


class UsersProjection:
    """One row for each user, and one for each key."""

    name: ClassVar[str] = "users"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            UserProvisioned,
            UserUpdated,
            Suspended,
            UserRestored,
            UserDeleted,
            KeyIssued,
            KeyRevoked,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE users (
        opened INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'active', max_concurrency INTEGER NOT NULL, email TEXT,
        display_name TEXT, created_at TEXT NOT NULL, created_by TEXT NOT NULL,
        updated_at TEXT NOT NULL, position INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE keys (
        opened INTEGER PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
        stream TEXT NOT NULL, label TEXT, created_at TEXT NOT NULL, expires_at TEXT,
        revoked_at TEXT, position INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX keys_of_user ON keys (user_id);
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position, at = recorded.event, recorded.position, moment(recorded.metadata.at)
        match event:
            case UserProvisioned():
                named = (sealed(event.email), sealed(event.display_name))
                what = (event.user_id, event.role, event.max_concurrency)
                yield (
                    _PROVISIONED,
                    (
                        *(position, *what, *named, at, recorded.metadata.actor),
                        *(at, position),
                    ),
                )
            case UserUpdated():
                shown = sealed(event.display_name)
                yield _UPDATED, (event.max_concurrency, shown, at, position, event.user_id)
            case Suspended():
                yield _STATUS, ("suspended", at, position, event.user_id)
            case UserRestored():
                yield _STATUS, ("active", at, position, event.user_id)
            case UserDeleted():
                yield _STATUS, ("deleted", at, position, event.user_id)
            case KeyIssued():
                whose = (event.key_id, event.user_id, recorded.stream, sealed(event.label))
                yield _ISSUED, (position, *whose, at, moment_or_none(event.until), position)
            case KeyRevoked():
                yield _REVOKED, (at, position, event.key_id)


_LISTED = """
user_id, email, display_name, status, role, max_concurrency,
    (SELECT count(*) FROM keys WHERE keys.user_id = users.user_id AND revoked_at IS NULL
        AND users.status <> 'deleted'
        AND (expires_at IS NULL OR expires_at > ?1)) AS active_keys,
    created_at, created_by, updated_at, position FROM users
"""
_KEYS = """
SELECT key_id, user_id, label, CASE WHEN revoked_at IS NOT NULL OR EXISTS
    (SELECT 1 FROM users WHERE users.user_id = keys.user_id AND status = 'deleted') THEN 'revoked'
    WHEN expires_at <= ?1 THEN 'expired' ELSE 'active' END AS status,
    created_at, expires_at, revoked_at, position FROM keys
WHERE user_id = ?2 ORDER BY opened DESC
"""


@attrs.frozen(kw_only=True)
class ApiKeyRow:
    """An API key as clients see it; its secret is not stored."""

    key_id: str
    user_id: str
    label: str | None
    status: KeyStatus
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    position: int
    """The log position of the last event folded into it."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "ApiKeyRow":
        """Makes a key from its columns; `log` opens the sealed ones."""
        return cls(
            key_id=row["key_id"],
            user_id=row["user_id"],
            label=open_text(log, row["label"]),
            status=row["status"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
            position=row["position"],
        )


@attrs.frozen(kw_only=True)
class UserRow:
    """A user as clients see it."""

    user_id: str
    email: str | None
    display_name: str | None
    status: UserStatus
    role: UserRole
    max_concurrency: int
    """How many turns the user may run at once."""
    active_keys: int
    created_at: Timestamp
    created_by: str
    """The actor, such as `operator:op_1`."""
    updated_at: Timestamp
    position: int
    """The log position of the last event folded into it."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "UserRow":
        """Makes a user from its columns; `log` opens the sealed ones."""
        return UserRow(
            user_id=row["user_id"],
            email=open_text(log, row["email"]),
            display_name=open_text(log, row["display_name"]),
            status=row["status"],
            role=row["role"],
            max_concurrency=row["max_concurrency"],
            active_keys=row["active_keys"],
            created_at=row["created_at"],
            created_by=row["created_by"],
            updated_at=row["updated_at"],
            position=row["position"],
        )


@attrs.frozen(kw_only=True)
class UserDetails(UserRow):
    """A user with all keys that they ever had, newest first."""

    api_keys: tuple[ApiKeyRow, ...]

    @classmethod
    def with_keys(cls, user: UserRow, keys: Sequence[ApiKeyRow]) -> "UserDetails":
        """Adds the keys to what is known of the user."""
        return cls(**attrs.asdict(user, recurse=False), api_keys=tuple(keys))


@attrs.frozen
class UserQueries:
    """Queries for users and their keys; a key whose time is over reads `expired`."""

    reader: Reader
    log: ReadableLog
    clock: Clock

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        status: str | None = None,
        role: str | None = None,
    ) -> Page[UserRow]:
        """Returns a page of users, newest first, without their keys."""
        page = await self.reader.page(
            _LISTED,
            equal(user_id=user_id, status=status, role=role),
            key="opened",
            limit=limit,
            cursor=cursor,
            given=self._now(),
        )
        return page.of(self._item)

    async def by_id(self, user_id: str) -> UserRow | None:
        """Returns one user without their keys; None if the user does not exist."""
        row = await self.reader.row(f"SELECT {_LISTED} WHERE user_id = ?2", (*self._now(), user_id))
        return None if row is None else self._item(row)

    async def get(self, user_id: str) -> UserDetails | None:
        """Returns one user with their keys; None if the user does not exist."""
        user = await self.by_id(user_id)
        return None if user is None else UserDetails.with_keys(user, await self.keys(user_id))

    async def keys(self, user_id: str) -> Sequence[ApiKeyRow]:
        """Returns all keys that the user ever had, newest first."""
        rows = await self.reader.rows(_KEYS, (*self._now(), user_id))
        return [ApiKeyRow.of(row, self.log) for row in rows]

    async def key_stream(self, key_id: str) -> str | None:
        """Returns the stream of an API key; None if the id is not known.

        The stream's name is an HMAC of the key itself, so that it cannot be told from the id.
        """
        row = await self.reader.row("SELECT stream FROM keys WHERE key_id = ?", (key_id,))
        return None if row is None else str(row["stream"])

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> UserRow:
        return UserRow.of(row, self.log)
