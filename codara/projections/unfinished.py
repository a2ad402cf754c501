"""What is not finished: turns without an end, and jails that may still run."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs

from codara.events.base import Recorded
from codara.events.jail import JailExited, JailKilled, JailStarted
from codara.events.session import (
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
)
from codara.projections.engine.base import Statement
from codara.projections.engine.queries import Reader

_ENTERED = "INSERT OR REPLACE INTO jails VALUES (?, ?, ?, ?, ?)"
_LEFT = "DELETE FROM jails WHERE jail_id = ?"
_REQUESTED = "INSERT INTO turns VALUES (?, ?, ?, ?, ?, 0)"
_STARTED = "UPDATE turns SET started = 1 WHERE turn_id = ?"
_ENDED = "DELETE FROM turns WHERE turn_id = ?"


class UnfinishedProjection:
    """One row for each turn and jail that has not ended: a few, however long the log is."""

    name: ClassVar[str] = "unfinished"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            JailStarted,
            JailExited,
            JailKilled,
            TurnRequested,
            TurnStarted,
            TurnCompleted,
            TurnFailed,
            TurnCancelled,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE turns (
        turn_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, workspace_id TEXT NOT NULL,
        user_id TEXT NOT NULL, position INTEGER NOT NULL, started INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE jails (
        jail_id TEXT PRIMARY KEY, position INTEGER NOT NULL, inner_pid INTEGER NOT NULL,
        start_time INTEGER NOT NULL, boot_id TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position = recorded.event, recorded.position
        match event:
            case TurnRequested():
                where = (event.session_id, event.workspace_id, event.user_id)
                yield _REQUESTED, (event.turn_id, *where, position)
            case TurnStarted():
                yield _STARTED, (event.turn_id,)
            case TurnCompleted() | TurnFailed() | TurnCancelled():
                yield _ENDED, (event.turn_id,)
            case JailStarted():
                process = (event.inner_pid, event.start_time, event.boot_id)
                yield _ENTERED, (event.jail_id, position, *process)
            case JailExited() | JailKilled():
                yield _LEFT, (event.jail_id,)


@attrs.frozen(kw_only=True)
class OpenTurnRow:
    """A turn that has not ended, according to the log."""

    turn_id: str
    session_id: str
    workspace_id: str
    user_id: str
    started: bool


@attrs.frozen(kw_only=True)
class LeftJailRow:
    """A jail that runs, according to the log."""

    jail_id: str
    inner_pid: int
    start_time: int
    boot_id: str


@attrs.frozen
class UnfinishedQueries:
    """Queries for what has begun and not ended, the earliest first."""

    reader: Reader

    async def turns(self) -> Sequence[OpenTurnRow]:
        rows = await self.reader.rows(
            "SELECT turn_id, session_id, workspace_id, user_id, started FROM turns "
            "ORDER BY position"
        )
        return [OpenTurnRow(**{**row, "started": bool(row["started"])}) for row in rows]

    async def jails(self) -> Sequence[LeftJailRow]:
        rows = await self.reader.rows(
            "SELECT jail_id, inner_pid, start_time, boot_id FROM jails ORDER BY position"
        )
        return [LeftJailRow(**row) for row in rows]
