"""Threads: the agents' own conversations in their homes, and which of them nobody needs."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

import attrs

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.session import (
    BackendBound,
    SessionExpired,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from codara.events.workspace import ThreadsRemoved
from codara.projections.engine.base import Statement, Value, as_json, moment
from codara.projections.engine.queries import Reader

SETTLING = timedelta(seconds=60)
"""A thread is kept for this long after its end: a request may have found it just before."""

_REQUESTED = """
INSERT OR REPLACE INTO turns (session_id, workspace_id, provider, kept, fork)
VALUES (?, ?, ?, ?, ?)
"""
_USED = """
INSERT INTO threads (opened, workspace_id, provider, backend_id, session_id, turns, used)
SELECT ?1, workspace_id, provider, ?2, session_id, ?3, ?1 FROM turns WHERE session_id = ?4
ON CONFLICT (workspace_id, provider, backend_id, session_id) DO UPDATE SET
    turns = turns + excluded.turns, used = excluded.used, ended = 0
"""
_ENDED = """
UPDATE threads SET ended = NOT kept, expires_at = CASE WHEN kept THEN ?1 ELSE ?2 END
FROM turns WHERE turns.session_id = ?3 AND threads.session_id = ?3 AND NOT ended
"""
_OVER = "DELETE FROM turns WHERE session_id = ?"
_CLEARED = "UPDATE threads SET ended = 1, expires_at = ? WHERE session_id = ? AND NOT ended"
_REMOVED = """
DELETE FROM threads WHERE workspace_id = ? AND provider = ?
    AND backend_id IN (SELECT value FROM json_each(?))
"""


class ThreadsProjection:
    """One row for each thread whose files are in a home, and one for each open turn.

    The threads of a session expire together, also those that it has replaced: one of its points may
    lead back to them. `fork` is the thread from which an open turn branches.
    """

    name: ClassVar[str] = "threads"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            TurnRequested,
            BackendBound,
            TurnCompleted,
            TurnFailed,
            TurnCancelled,
            SessionReset,
            SessionExpired,
            ThreadsRemoved,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE turns (
        session_id TEXT PRIMARY KEY, workspace_id TEXT NOT NULL, provider TEXT NOT NULL,
        kept INTEGER NOT NULL, fork TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE threads (
        opened INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL, provider TEXT NOT NULL,
        backend_id TEXT NOT NULL, session_id TEXT NOT NULL,
        turns INTEGER NOT NULL, used INTEGER NOT NULL,
        expires_at TEXT NOT NULL DEFAULT '', ended INTEGER NOT NULL DEFAULT 0,
        UNIQUE (workspace_id, provider, backend_id, session_id)
    ) STRICT;
    CREATE INDEX threads_of_session ON threads (session_id);
    CREATE INDEX threads_by_expiry ON threads (expires_at);
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, at = recorded.event, moment(recorded.metadata.at)
        match event:
            case TurnRequested():
                yield _REQUESTED, _requested(event)
            case BackendBound():
                yield _USED, (recorded.position, event.backend_id, 0, event.session_id)
            case TurnCompleted() | TurnFailed() | TurnCancelled():
                end = event.end
                if (reached := end.thread.backend_id) is not None:
                    yield _USED, (recorded.position, reached, 1, event.session_id)
                yield _ENDED, (moment(end.expires_at), at, event.session_id)
                yield _OVER, (event.session_id,)
            case SessionReset() | SessionExpired():
                yield _CLEARED, (at, event.session_id)
            case ThreadsRemoved():
                yield _REMOVED, (event.workspace_id, event.provider, as_json(event.threads))


def _requested(event: TurnRequested) -> tuple[Value, ...]:
    fork = event.fork.backend_id if event.fork else ""
    return (event.session_id, event.workspace_id, event.provider, event.persistent, fork)


def _is_over(table: str) -> str:
    idle = f"{table}.session_id NOT IN (SELECT session_id FROM turns)"  # noqa: S608
    return f"({table}.expires_at <= ?1 AND ({table}.ended OR {idle}))"


_SAME = "other.workspace_id = threads.workspace_id AND other.provider = threads.provider"
_UNNEEDED = f"""
SELECT workspace_id, provider, backend_id FROM threads
WHERE {_is_over("threads")}
    AND workspace_id || '/' || provider NOT IN (SELECT value FROM json_each(?2))
    AND NOT EXISTS (
        SELECT 1 FROM threads AS other
        WHERE {_SAME} AND other.backend_id = threads.backend_id AND NOT {_is_over("other")})
    AND NOT EXISTS (SELECT 1 FROM turns AS other WHERE {_SAME} AND fork = threads.backend_id)
ORDER BY expires_at, opened LIMIT ?3
"""  # noqa: S608
_IDLE = """
SELECT backend_id, session_id FROM threads
WHERE workspace_id = ?1 AND provider = ?2 AND turns {turns} AND backend_id NOT IN (
    SELECT fork FROM turns WHERE workspace_id = ?1 AND provider = ?2
    UNION
    SELECT backend_id FROM threads JOIN turns USING (session_id)
    WHERE threads.workspace_id = ?1 AND threads.provider = ?2)
ORDER BY used LIMIT ?3
"""
_UNCONTINUED = _IDLE.format(turns="<= 1")
_OTHERS = _IDLE.format(turns="> 1")
_HOMES = """
SELECT workspace_id, provider, max(used) AS used FROM threads WHERE used > ?
GROUP BY workspace_id, provider ORDER BY 3 LIMIT ?
"""


@attrs.frozen(kw_only=True)
class EndedThreadsRow:
    """Threads of one home that nobody needs any more."""

    workspace_id: str
    provider: str
    threads: Sequence[str]


@attrs.frozen(kw_only=True)
class IdleThreadRow:
    """A thread that no turn is at work with."""

    backend_id: str
    session_id: str


@attrs.frozen(kw_only=True)
class UsedHomeRow:
    """A home, and the log position of its last turn."""

    workspace_id: str
    provider: str
    used: int


@attrs.frozen
class Threads:
    """Queries for threads in homes; an expired one counts as ended, in the log or not."""

    reader: Reader
    clock: Clock

    async def ended(
        self, most: int, *, but: Collection[tuple[str, str]] = ()
    ) -> Sequence[EndedThreadsRow]:
        """Returns, by home, the threads that no session needs any more; skips homes in `but`."""
        kept_out = as_json([f"{workspace_id}/{provider}" for workspace_id, provider in but])
        since = moment(self.clock() - SETTLING)
        homes: dict[tuple[str, str], dict[str, None]] = {}
        for row in await self.reader.rows(_UNNEEDED, (since, kept_out, most)):
            home = homes.setdefault((row["workspace_id"], row["provider"]), {})
            home[row["backend_id"]] = None
        return [
            EndedThreadsRow(workspace_id=workspace_id, provider=provider, threads=tuple(threads))
            for (workspace_id, provider), threads in homes.items()
        ]

    async def uncontinued(
        self, workspace_id: str, provider: str, most: int
    ) -> Sequence[IdleThreadRow]:
        """Returns threads with one turn that no open turn may need, the longest unused first."""
        return await self._idle(_UNCONTINUED, (workspace_id, provider, most))

    async def others(self, workspace_id: str, provider: str, most: int) -> Sequence[IdleThreadRow]:
        """Returns the same of threads with several turns."""
        return await self._idle(_OTHERS, (workspace_id, provider, most))

    async def homes(self, since: int, most: int) -> Sequence[UsedHomeRow]:
        """Returns the homes with a turn after position `since`, the longest unused first."""
        rows = await self.reader.rows(_HOMES, (since, most))
        return [UsedHomeRow(**row) for row in rows]

    async def _idle(self, sql: str, parameters: Sequence[Value]) -> Sequence[IdleThreadRow]:
        return [IdleThreadRow(**row) for row in await self.reader.rows(sql, parameters)]
