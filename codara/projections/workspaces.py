"""Workspaces: whose folders there are, who works in them, and what was done there last."""

from collections.abc import Iterable
from typing import ClassVar

import attrs

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.session import SessionOpened
from codara.events.workspace import (
    DiffRecorded,
    WorkspaceLocked,
    WorkspaceProvisioned,
    WorkspaceUnlocked,
)
from codara.projections.base import ReadableLog, Statement, as_json, moment, sealed
from codara.projections.queries import Condition, Page, Reader, Row, equal, from_json, opened

_PROVISIONED = """
INSERT INTO workspaces (opened, workspace_id, user_id, label, path, created_at, updated_at,
    position)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
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
    """One row a workspace."""

    name: ClassVar[str] = "workspaces"
    version: ClassVar[int] = 1
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
        label TEXT, path TEXT, locked_by TEXT, locked_until TEXT,
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
                held = (event.turn_id, until, event.session_id, at, position, event.workspace_id)
                yield _LOCKED, held
            case WorkspaceUnlocked():
                yield _UNLOCKED, (at, position, event.workspace_id, event.turn_id)
            case DiffRecorded():
                last = as_json(_diff(event, at))
                yield _DIFFED, (event.final, last, at, position, event.workspace_id)
            case SessionOpened():
                yield _USED, (at, position, event.workspace_id)
            case WorkspaceProvisioned():
                named = (sealed(event.label), sealed(event.folder))
                ids = (position, event.workspace_id, event.user_id)
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
    SELECT opened, workspace_id, label, user_id, path,
        CASE WHEN locked_until > ?1 THEN locked_by END AS locked_by,
        CASE WHEN locked_until > ?1 THEN locked_until END AS locked_until,
        turns, sessions, last_session_id, tree, last_diff, created_at, updated_at, position
    FROM workspaces
)
"""


@attrs.frozen
class Workspaces:
    """Asks for workspaces; a lock whose time is over is none."""

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
    ) -> Page:
        """A page of workspaces, newest first; `locked`: only those a turn works in, or the rest."""
        conditions: list[Condition] = equal(user_id=user_id)
        if locked is not None:
            conditions.append(("(locked_by IS NOT NULL) = ?", (locked,)))
        page = await self.reader.page(
            _LISTED, conditions, key="opened", limit=limit, cursor=cursor, given=self._now()
        )
        return attrs.evolve(page, items=[self._item(row) for row in page.items])

    async def get(self, workspace_id: str) -> Row | None:
        """One workspace, or None."""
        row = await self.reader.row(
            f"SELECT {_LISTED} WHERE workspace_id = ?2", (*self._now(), workspace_id)
        )
        return None if row is None else self._item(row)

    def _now(self) -> tuple[str]:
        return (moment(self.clock()),)

    def _item(self, row: Row) -> Row:
        item = from_json(opened(self.log, row, ("label", "path")), {"last_diff": None})
        del item["opened"]
        return item | {"name": item["label"]}
