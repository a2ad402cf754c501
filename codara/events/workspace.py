"""Facts of a workspace: one user's folder, in which one turn at a time works."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event, PayloadRef, private
from codara.events.vocabulary import HolderKind


@attrs.frozen(kw_only=True)
class WorkspaceProvisioned(Event):
    name: ClassVar[str] = "workspace.provisioned"
    workspace_id: str
    user_id: str
    aside: bool = False
    """Whether the folder is none of the user's, but a place for what is asked beside chats."""
    label: str = private()
    folder: str = private()
    """Absolute path of the folder."""


@attrs.frozen(kw_only=True)
class Holder:
    """Who works in a folder: what kind of thing it is, and its id."""

    kind: HolderKind
    id: str


@attrs.frozen(kw_only=True)
class WorkspaceLocked(Event):
    """The folder is `holder`'s until `until` at the latest; the stream's version is the fence."""

    name: ClassVar[str] = "workspace.locked"
    version: ClassVar[int] = 2
    workspace_id: str
    holder: Holder
    session_id: str | None = None
    """The session of a turn."""
    user_id: str
    until: datetime
    aside: bool = False
    label: str = private()
    folder: str = private()


@attrs.frozen(kw_only=True)
class WorkspaceUnlocked(Event):
    name: ClassVar[str] = "workspace.unlocked"
    version: ClassVar[int] = 2
    workspace_id: str
    holder: Holder


@attrs.frozen(kw_only=True)
class FileChange:
    """One path that differs between two trees.

    `path` is UTF-8 with invalid bytes as ``\\xNN``; `path_b64` holds the true bytes where that
    happened. `status` is added, modified, deleted, renamed, mode_changed or type_changed.
    """

    path: str
    status: str
    old_path: str | None = None
    path_b64: str | None = None
    added: int = 0
    deleted: int = 0
    binary: bool = False


@attrs.frozen(kw_only=True)
class DiffRecorded(Event):
    """What a turn left behind in the folder: tree against tree, whatever was committed."""

    name: ClassVar[str] = "workspace.diff_recorded"
    workspace_id: str
    turn_id: str
    user_id: str
    base: str
    final: str
    changed: int
    added_lines: int
    deleted_lines: int
    truncated: bool
    partial: tuple[str, ...] = ()
    """Why the snapshot does not hold everything; empty when it does."""
    files: tuple[FileChange, ...] = private()
    """All changes, or none when `files_payload` holds them."""
    files_payload: PayloadRef | None = None
    patch: str = private()
    patch_payload: PayloadRef | None = None


@attrs.frozen(kw_only=True)
class ThreadsRemoved(Event):
    """An agent's conversations left its home in the workspace: the next turn of one is `fresh`."""

    name: ClassVar[str] = "workspace.threads_removed"
    workspace_id: str
    provider: str
    threads: tuple[str, ...]
    """The agent's own ids, 200 at most."""
    reason: str
    """`ended`: no session goes on with them; `space`: the home had grown too large."""
