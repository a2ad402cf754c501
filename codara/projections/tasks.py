"""Tasks: every turn with its account, its outcome and what it changed."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Recorded
from codara.events.session import (
    AccountChanged,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
)
from codara.events.workspace import DiffRecorded
from codara.projections.engine.base import ReadableLog, Statement, Value, as_json, moment, sealed
from codara.projections.engine.queries import Page, Reader, Row, between, equal
from codara.projections.task_details import TaskDetails, details
from codara.projections.task_rows import COLUMNS, TaskRow

_REQUESTED = """
INSERT INTO tasks (opened, task_id, session_id, workspace_id, user_id, request_id, trace_id,
    provider, model, manual, status, created_at, position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)
"""
_STARTED = """
UPDATE tasks SET status = 'running', account_id = ?1, accounts = ?1, thread = ?2, baseline = ?3,
    jailed = ?4, started_at = ?5, position = ?6 WHERE task_id = ?7
"""
_CHANGED = """
UPDATE tasks SET account_id = ?1, accounts = accounts || ' ' || ?1, position = ?2
    WHERE task_id = ?3
"""
_DIFFED = """
UPDATE tasks SET final = ?, changed = ?, added_lines = ?, deleted_lines = ?, diff_truncated = ?,
    partial = ?, files = ?, diff_position = ?, position = max(position, ?) WHERE task_id = ?
"""
_ENDED = """
UPDATE tasks SET status = ?, code = ?, cause = ?, usage = ?, timings = ?, backend_id = ?,
    thread = CASE WHEN ? THEN 'fresh' ELSE thread END, tool_ran = ?, ended_at = ?,
    end_position = ?, position = max(position, ?) WHERE task_id = ?
"""


class TasksProjection:
    """One row for each turn. Texts stay in the log; the row has their positions."""

    name: ClassVar[str] = "tasks"
    version: ClassVar[int] = 3
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            TurnRequested,
            TurnStarted,
            AccountChanged,
            DiffRecorded,
            TurnCompleted,
            TurnFailed,
            TurnCancelled,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE tasks (
        opened INTEGER PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL, user_id TEXT NOT NULL, request_id TEXT NOT NULL,
        trace_id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
        manual INTEGER NOT NULL, account_id TEXT, accounts TEXT, status TEXT NOT NULL, code TEXT,
        cause TEXT, thread TEXT, backend_id TEXT, jailed INTEGER, tool_ran INTEGER,
        created_at TEXT NOT NULL, started_at TEXT, ended_at TEXT, usage TEXT, timings TEXT,
        baseline TEXT, final TEXT, changed INTEGER, added_lines INTEGER, deleted_lines INTEGER,
        diff_truncated INTEGER, partial TEXT, files TEXT, diff_position INTEGER,
        end_position INTEGER, position INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX tasks_of_session ON tasks (session_id);
    CREATE INDEX tasks_of_workspace ON tasks (workspace_id);
    CREATE INDEX tasks_of_user ON tasks (user_id);
    CREATE INDEX tasks_of_trace ON tasks (trace_id);
    CREATE INDEX tasks_of_account ON tasks (account_id) WHERE account_id IS NOT NULL;
    CREATE INDEX tasks_open ON tasks (opened) WHERE ended_at IS NULL;
    CREATE INDEX tasks_unwell ON tasks (status) WHERE status IN ('failed', 'cancelled');
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position, at = recorded.event, recorded.position, moment(recorded.metadata.at)
        match event:
            case TurnRequested():
                trace_id = recorded.metadata.correlation_id
                yield _REQUESTED, _requested(event, trace_id, position, at)
            case TurnStarted():
                chosen = event.account_chosen.account_id
                started = (chosen, event.thread, event.baseline, event.jailed, at, position)
                yield _STARTED, (*started, event.turn_id)
            case AccountChanged():
                yield _CHANGED, (event.account_chosen.account_id, position, event.turn_id)
            case DiffRecorded():
                yield _DIFFED, _diffed(event, position)
            case TurnCompleted():
                yield _ENDED, _ended(recorded, event, "completed", (None, None))
            case TurnFailed():
                yield _ENDED, _ended(recorded, event, "failed", (event.code, event.cause))
            case TurnCancelled():
                yield _ENDED, _ended(recorded, event, "cancelled", (None, event.cause))


def _requested(event: TurnRequested, trace_id: str, position: int, at: str) -> tuple[Value, ...]:
    return (
        position,
        event.turn_id,
        event.session_id,
        event.workspace_id,
        event.user_id,
        event.request_id,
        trace_id,
        event.provider,
        event.model,
        event.manual,
        at,
        position,
    )


def _diffed(event: DiffRecorded, position: int) -> tuple[Value, ...]:
    return (
        event.final,
        event.changed,
        event.added_lines,
        event.deleted_lines,
        event.truncated,
        as_json(event.partial) if event.partial else None,
        sealed(event.files),
        position,
        position,
        event.turn_id,
    )


def _ended(
    recorded: Recorded,
    event: TurnCompleted | TurnFailed | TurnCancelled,
    status: str,
    why: tuple[str | None, str | None],
) -> tuple[Value, ...]:
    end = event.end
    return (
        status,
        *why,
        None if end.usage is None else as_json(end.usage),
        as_json(end.timings),
        end.thread.backend_id,
        end.lost_thread,
        end.tool_ran,
        moment(recorded.metadata.at),
        recorded.position,
        recorded.position,
        event.turn_id,
    )


_LISTED = f"{COLUMNS} FROM tasks"


@attrs.frozen
class Tasks:
    """Queries for tasks."""

    reader: Reader
    log: ReadableLog

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        workspace_id: str | None = None,
        account_id: str | None = None,
        provider: str | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Page[TaskRow]:
        """Returns a page of tasks, newest first, without `diff` and `actions`; `get` has them.

        `modified_files` is None if the list is too long for a listing.
        """
        conditions = [
            *equal(
                user_id=user_id,
                session_id=session_id,
                workspace_id=workspace_id,
                account_id=account_id,
                provider=provider,
                status=status,
            ),
            *between("created_at", since, until),
        ]
        page = await self.reader.page(_LISTED, conditions, key="opened", limit=limit, cursor=cursor)
        return page.of(self._item)

    async def get(self, task_id: str) -> TaskDetails | None:
        """Returns a task with everything that is known of it; None if it does not exist.

        Texts, diff, files and actions are None if their user's data key is destroyed.
        """
        row = await self.reader.row(f"SELECT {_LISTED} WHERE task_id = ?", (task_id,))
        return None if row is None else await details(row, self.log)

    def _item(self, row: Row) -> TaskRow:
        return TaskRow.of(row, self.log)
