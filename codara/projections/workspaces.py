"""Workspaces: whose they are, what works in them, and what the last turn changed."""

from collections.abc import Iterable
from typing import ClassVar

import attrs
import orjson

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.session import SessionOpened
from codara.events.vocabulary import SnapshotGap
from codara.events.workspace import (
    DiffRecorded,
    WorkspaceLocked,
    WorkspaceProvisioned,
    WorkspaceUnlocked,
)
from codara.projections.engine.base import (
    ReadableLog,
    Statement,
    Timestamp,
    as_json,
    moment,
    sealed,
)
from codara.projections.engine.queries import Condition, Page, Reader, Row, equal, open_text

_PROVISIONED = """
INSERT INTO workspaces (opened, workspace_id, user_id, aside, label, path, created_at, updated_at,
    position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (workspace_id) DO UPDATE SET updated_at = excluded.updated_at,
    position = excluded.position
"""
_LOCKED = """
UPDATE workspaces SET locked_by = ?, locked_until = ?, last_session_id = ?, updated_at = ?,
    position = ? WHERE workspace_id = ?
"""
_UNLOCKED = """
UPDATE workspaces SET locked_by = NULL, locked_until = NULL, updated_at = ?, position = ?
WHERE workspace_id = ? AND locked_by = ?
"""
_DIFFED = """
UPDATE workspaces SET turns = turns + 1, tree = ?, last_diff = ?, updated_at = ?, position = ?
WHERE workspace_id = ?
"""
_USED = """
UPDATE workspaces SET sessions = sessions + 1, updated_at = ?, position = ? WHERE workspace_id = ?
"""


class WorkspacesProjection:
    """One row for each workspace."""

    name: ClassVar[str] = "workspaces"
    version: ClassVar[int] = 3
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            WorkspaceProvisioned,
            WorkspaceLocked,
            WorkspaceUnlocked,
            DiffRecorded,
            SessionOpened,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE workspaces (
        opened INTEGER PRIMARY KEY, workspace_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
        aside INTEGER NOT NULL, label TEXT, path TEXT, locked_by TEXT, locked_until TEXT,
        turns INTEGER NOT NULL DEFAULT 0, sessions INTEGER NOT NULL DEFAULT 0,
        last_session_id TEXT, tree TEXT, last_diff TEXT, created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL, position INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX workspaces_of_user ON workspaces (user_id);
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position, at = recorded.event, recorded.position, moment(recorded.metadata.at)
        match event:
            case WorkspaceLocked():
                until = moment(event.until)
                held = (event.holder.id, until, event.session_id, at, position, event.workspace_id)
                yield _LOCKED, held
            case WorkspaceUnlocked():
                yield _UNLOCKED, (at, position, event.workspace_id, event.holder.id)
            case DiffRecorded():
                last = as_json(_diff(event, at))
                yield _DIFFED, (event.final, last, at, position, event.workspace_id)
            case SessionOpened():
                yield _USED, (at, position, event.workspace_id)
            case WorkspaceProvisioned():
                named = (sealed(event.label), sealed(event.folder))
                ids = (position, event.workspace_id, event.user_id, event.aside)
                yield _PROVISIONED, (*ids, *named, at, at, position)


def _diff(event: DiffRecorded, at: str) -> dict[str, object]:
    return {
        "task_id": event.turn_id,
        "at": at,
        "changed": event.changed,
        "added_lines": event.added_lines,
        "deleted_lines": event.deleted_lines,
        "partial": event.partial,
    }


_LISTED = """
* FROM (
    SELECT opened, workspace_id, aside, label, user_id, path,
        CASE WHEN locked_until > ?1 THEN locked_by END AS locked_by,
        CASE WHEN locked_until > ?1 THEN locked_until END AS locked_until,
        turns, sessions, last_session_id, tree, last_diff, created_at, updated_at, position
    FROM workspaces
)
"""


@attrs.frozen(kw_only=True)
class LastDiff:
    """What the last turn that ended in a workspace changed."""

    task_id: str
    at: Timestamp
    changed: int
    """The number of files that differ."""
    added_lines: int
    deleted_lines: int
    partial: tuple[SnapshotGap, ...]

    @classmethod
    def of(cls, text: str) -> "LastDiff":
        """Makes it from the column's JSON."""
        told = orjson.loads(text)
        return cls(
            task_id=told["task_id"],
            at=told["at"],
            changed=told["changed"],
            added_lines=told["added_lines"],
            deleted_lines=told["deleted_lines"],
            partial=tuple(told["partial"]),
        )


@attrs.frozen(kw_only=True)
class OwnWorkspace:
    """A workspace as its user sees it, without its path on the host."""

    workspace_id: str
    label: str | None
    user_id: str
    locked_by: str | None
    """The task, or other holder, that works in it."""
    locked_until: Timestamp | None
    """When that holder's time is over at the latest."""
    turns: int
    sessions: int
    last_session_id: str | None
    tree: str | None
    """The id of its tree after the last turn."""
    last_diff: LastDiff | None
    created_at: Timestamp
    updated_at: Timestamp
    position: int
    """The log position of the last event folded into it."""
    name: str | None
    """The label again."""


@attrs.frozen(kw_only=True)
class WorkspaceRow(OwnWorkspace):
    """A workspace as operators see it."""

    path: str | None
    """The absolute path of its folder."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "WorkspaceRow":
        """Makes a workspace from its columns; `log` opens the sealed ones."""
        label = open_text(log, row["label"])
        return cls(
            workspace_id=row["workspace_id"],
            label=label,
            user_id=row["user_id"],
            path=open_text(log, row["path"]),
            locked_by=row["locked_by"],
            locked_until=row["locked_until"],
            turns=row["turns"],
            sessions=row["sessions"],
            last_session_id=row["last_session_id"],
            tree=row["tree"],
            last_diff=None if row["last_diff"] is None else LastDiff.of(row["last_diff"]),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            position=row["position"],
            name=label,
        )

    def own(self) -> OwnWorkspace:
        """Returns the same workspace as its user may see it."""
        names = [each.name for each in attrs.fields(OwnWorkspace)]
        return OwnWorkspace(**{name: getattr(self, name) for name in names})


@attrs.frozen
class WorkspaceQueries:
    """Queries for workspaces; a lock whose time is over does not count."""

    reader: Reader
    log: ReadableLog
    clock: Clock

    async def list(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        user_id: str | None = None,
        locked: bool | None = None,
    ) -> Page[WorkspaceRow]:
        """Returns a page of workspaces, newest first; `locked` filters by whether one is held.

        Places for asides are left out.
        """
        conditions: list[Condition] = equal(user_id=user_id, aside=0)
        if locked is not None:
            conditions.append(("(locked_by IS NOT NULL) = ?", (locked,)))
        page = await self.reader.page(
            _LISTED, conditions, key="opened", limit=limit, cursor=cursor, given=self._now()
        )
        return page.of(self._item)

    async def get(self, workspace_id: str) -> WorkspaceRow | None:
        """Returns one workspace; None if it does not exist."""
        row = await self.reader.row(
            f"SELECT {_LISTED} WHERE workspace_id = ?2", (*self._now(), workspace_id)
        )
        return None if row is None else self._item(row)

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> WorkspaceRow:
        return WorkspaceRow.of(row, self.log)
