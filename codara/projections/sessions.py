"""Sessions: conversations, and the status of each."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

import attrs

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.loss import SessionSetBack
from codara.events.session import (
    BackendBound,
    SessionExpired,
    SessionOpened,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
)
from codara.events.vocabulary import SessionOrigin, SessionStatus
from codara.events.workspace import WorkspaceProvisioned
from codara.projections.engine.base import ReadableLog, Statement, Timestamp, Value, moment, sealed
from codara.projections.engine.queries import Page, Reader, Row, equal, open_text

_LABELLED = "INSERT OR REPLACE INTO workspaces (workspace_id, label) VALUES (?, ?)"
_OPENED = """
INSERT INTO sessions (opened, session_id, user_id, workspace_id, provider, client_session_id,
    origin, created_at, updated_at, position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (session_id) DO UPDATE SET provider = excluded.provider,
    updated_at = excluded.updated_at, position = excluded.position
"""
_REQUESTED = """
UPDATE sessions SET provider = ?, workspace_id = ?, backend_id = ?, dirty = ?, task_id = ?,
    running = 0, expired = 0, last_task_id = ?, turns = turns + 1, updated_at = ?, position = ?
WHERE session_id = ?
"""
_STARTED = "UPDATE sessions SET running = 1, updated_at = ?, position = ? WHERE session_id = ?"
_BOUND = "UPDATE sessions SET backend_id = ?, updated_at = ?, position = ? WHERE session_id = ?"
_COMPLETED = """
UPDATE sessions SET dirty = 0, task_id = NULL, running = 0, backend_id = ?, expires_at = ?,
    updated_at = ?, position = ? WHERE session_id = ?
"""
_BROKEN = """
UPDATE sessions SET dirty = max(dirty, running), task_id = NULL, running = 0, backend_id = ?,
    expires_at = ?, updated_at = ?, position = ? WHERE session_id = ?
"""
_RESET = """
UPDATE sessions SET dirty = 0, backend_id = NULL, expires_at = NULL, expired = 0, updated_at = ?,
    position = ? WHERE session_id = ?
"""
_EXPIRED = """
UPDATE sessions SET backend_id = NULL, expires_at = NULL, expired = 1, updated_at = ?,
    position = ? WHERE session_id = ?
"""
_SET_BACK = """
UPDATE sessions SET dirty = 1, backend_id = NULL, updated_at = ?, position = ? WHERE session_id = ?
"""


class SessionsProjection:
    """One row for each session, and the labels of their workspaces."""

    name: ClassVar[str] = "sessions"
    version: ClassVar[int] = 4
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            WorkspaceProvisioned,
            SessionOpened,
            TurnRequested,
            TurnStarted,
            BackendBound,
            TurnCompleted,
            TurnFailed,
            TurnCancelled,
            SessionReset,
            SessionExpired,
            SessionSetBack,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE workspaces (workspace_id TEXT PRIMARY KEY, label TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions (
        opened INTEGER PRIMARY KEY, session_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL, provider TEXT NOT NULL, client_session_id TEXT,
        origin TEXT NOT NULL, backend_id TEXT, dirty INTEGER NOT NULL DEFAULT 0,
        expired INTEGER NOT NULL DEFAULT 0,
        task_id TEXT, running INTEGER NOT NULL DEFAULT 0, turns INTEGER NOT NULL DEFAULT 0,
        last_task_id TEXT, expires_at TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
        position INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessions_of_user ON sessions (user_id);
    CREATE INDEX sessions_of_workspace ON sessions (workspace_id);
    CREATE INDEX sessions_active ON sessions (opened) WHERE task_id IS NOT NULL;
    CREATE INDEX sessions_by_expiry ON sessions (expires_at) WHERE task_id IS NULL;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position, at = recorded.event, recorded.position, moment(recorded.metadata.at)
        match event:
            case TurnRequested():
                yield _REQUESTED, _requested(event, at, position)
            case TurnStarted():
                yield _STARTED, (at, position, event.session_id)
            case BackendBound():
                yield _BOUND, (event.backend_id, at, position, event.session_id)
            case TurnCompleted():
                yield _COMPLETED, _ended(event, at, position)
            case TurnFailed() | TurnCancelled():
                yield _BROKEN, _ended(event, at, position)
            case SessionOpened():
                yield _OPENED, _opened(event, at, position)
            case WorkspaceProvisioned():
                yield _LABELLED, (event.workspace_id, sealed(event.label))
            case SessionReset():
                yield _RESET, (at, position, event.session_id)
            case SessionExpired():
                yield _EXPIRED, (at, position, event.session_id)
            case SessionSetBack():
                yield _SET_BACK, (at, position, event.session_id)


def _opened(event: SessionOpened, at: str, position: int) -> tuple[Value, ...]:
    return (
        position,
        event.session_id,
        event.user_id,
        event.workspace_id,
        event.provider,
        sealed(event.client_session_id),
        event.origin,
        at,
        at,
        position,
    )


def _requested(event: TurnRequested, at: str, position: int) -> tuple[Value, ...]:
    return (
        event.provider,
        event.workspace_id,
        event.thread.backend_id,
        event.dirty,
        event.turn_id,
        event.turn_id,
        at,
        position,
        event.session_id,
    )


def _ended(
    event: TurnCompleted | TurnFailed | TurnCancelled, at: str, position: int
) -> tuple[Value, ...]:
    end = event.end
    return (end.thread.backend_id, moment(end.expires_at), at, position, event.session_id)


_ONE_OFF = "origin NOT IN ('named', 'reference') AND turns <= 1"
"""A session without a name that was never continued; there may be thousands."""
_DUE = f"""
SELECT session_id FROM sessions WHERE task_id IS NULL AND expires_at <= ?1 AND NOT ({_ONE_OFF})
ORDER BY expires_at LIMIT ?2
"""  # noqa: S608
_LISTED = """
* FROM (
    SELECT opened, session_id, client_session_id, origin, user_id, workspace_id,
        label AS workspace, provider, CASE WHEN task_id IS NOT NULL THEN 'active'
            WHEN expired OR expires_at <= ?1 THEN 'expired'
            WHEN dirty THEN 'dirty' ELSE 'idle' END AS status,
        backend_id, dirty, turns, created_at, updated_at, expires_at, last_task_id, position
    FROM sessions LEFT JOIN workspaces USING (workspace_id)
)
"""


@attrs.frozen(kw_only=True)
class SessionRow:
    """A session as clients see it."""

    session_id: str
    client_session_id: str | None
    """The label that a client chose; None for a session without a name."""
    origin: SessionOrigin
    user_id: str
    workspace_id: str
    workspace: str | None
    """The workspace's label."""
    provider: str
    """The provider of its last turn."""
    status: SessionStatus
    backend_id: str | None
    """The agent's own id of the thread with which the next turn goes on."""
    dirty: bool
    """Whether the last turn did not end well, or the log went back since."""
    turns: int
    created_at: Timestamp
    updated_at: Timestamp
    expires_at: Timestamp | None
    last_task_id: str | None
    position: int
    """The log position of the last event folded into it."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "SessionRow":
        """Makes a session from its columns; `log` opens the sealed ones."""
        return cls(
            session_id=row["session_id"],
            client_session_id=open_text(log, row["client_session_id"]) or None,
            origin=row["origin"],
            user_id=row["user_id"],
            workspace_id=row["workspace_id"],
            workspace=open_text(log, row["workspace"]),
            provider=row["provider"],
            status=row["status"],
            backend_id=row["backend_id"],
            dirty=bool(row["dirty"]),
            turns=row["turns"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            expires_at=row["expires_at"],
            last_task_id=row["last_task_id"],
            position=row["position"],
        )


@attrs.frozen
class SessionQueries:
    """Queries for sessions; one whose time is over reads `expired`, in the log or not."""

    reader: Reader
    log: ReadableLog
    clock: Clock

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        workspace_id: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        every: bool = False,
    ) -> Page[SessionRow]:
        """Returns a page of sessions, the latest opened first; with `every`, one-off calls too."""
        conditions = equal(
            user_id=user_id, workspace_id=workspace_id, provider=provider, status=status
        )
        if not every:
            conditions.append((f"NOT ({_ONE_OFF})", ()))
        page = await self.reader.page(
            _LISTED, conditions, key="opened", limit=limit, cursor=cursor, given=self._now()
        )
        return page.of(self._item)

    async def get(self, session_id: str) -> SessionRow | None:
        """Returns one session; None if it does not exist."""
        row = await self.reader.row(
            f"SELECT {_LISTED} WHERE session_id = ?2", (*self._now(), session_id)
        )
        return None if row is None else self._item(row)

    async def count(self) -> dict[str, int]:
        """Returns the number of sessions with each status."""
        rows = await self.reader.rows(
            f"SELECT status, count(*) AS n FROM (SELECT {_LISTED}) GROUP BY status",  # noqa: S608
            self._now(),
        )
        return {row["status"]: row["n"] for row in rows}

    async def due(self, now: datetime, most: int) -> Sequence[str]:
        """Returns the sessions that had expired by `now` without an event that says so.

        Those of one-off calls are left out: their `expires_at` tells, and no event follows.
        """
        rows = await self.reader.rows(
            _DUE,
            (moment(now), most),
        )
        return [row["session_id"] for row in rows]

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> SessionRow:
        return SessionRow.of(row, self.log)
