"""Facts of a workspace: one user's folder, in which one turn works at a time."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event, PayloadRef, private
from codara.events.vocabulary import FileStatus, HolderKind, TextEncoding


@attrs.frozen(kw_only=True)
class WorkspaceProvisioned(Event):
    name: ClassVar[str] = "workspace.provisioned"
    workspace_id: str
    user_id: str
    aside: bool = False
    """Whether this is a place for asides, which its user can neither name nor see."""
    label: str = private()
    folder: str = private()
    """Absolute path of the folder."""


@attrs.frozen(kw_only=True)
class Holder:
    """What works in a folder: its kind, and its id."""

    kind: HolderKind
    id: str


@attrs.frozen(kw_only=True)
class WorkspaceLocked(Event):
    """`holder` has the folder until `until` at the latest; the stream's version is the fence."""

    name: ClassVar[str] = "workspace.locked"
    version: ClassVar[int] = 2
    workspace_id: str
    holder: Holder
    session_id: str | None = None
    """The session, if the holder is a turn."""
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
    r"""One path that differs between two trees.

    `path` is UTF-8, invalid bytes shown as ``\xNN``; `path_b64` then holds the true bytes; the same
    of `old_path`. `added` and `deleted` count lines.
    """

    path: str
    status: FileStatus
    old_path: str | None = None
    old_path_b64: str | None = None
    path_b64: str | None = None
    added: int = 0
    deleted: int = 0
    binary: bool = False
    encoding: TextEncoding | None = None
    """Whether the lines that changed are UTF-8; None if the file is binary, or was not read."""


@attrs.frozen(kw_only=True)
class DiffRecorded(Event):
    """What a turn changed in the folder: the tree before it against the tree after it."""

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
    """Why the snapshot does not hold everything; empty if it does."""
    files: tuple[FileChange, ...] = private()
    """All changes; empty if `files_payload` holds them."""
    files_payload: PayloadRef | None = None
    patch: str = private()
    patch_payload: PayloadRef | None = None
    patch_bytes: PayloadRef | None = None
    """The patch's bytes where they are not UTF-8: `patch` shows some of them as `\\xNN`."""


@attrs.frozen(kw_only=True)
class WorkspaceRepaired(Event):
    """The folder's owner was given back the rights that a `chmod` had taken.

    `folders` and `files` count what got some back, `left` what could not be given any; `partial`
    says that not everything was looked at.
    """

    name: ClassVar[str] = "workspace.repaired"
    workspace_id: str
    user_id: str
    folders: int
    files: int
    left: int = 0
    partial: bool = False


@attrs.frozen(kw_only=True)
class ThreadsRemoved(Event):
    """An agent's conversations were removed from its home: the next turn of each is `fresh`."""

    name: ClassVar[str] = "workspace.threads_removed"
    workspace_id: str
    provider: str
    threads: tuple[str, ...]
    """The agent's own ids, at most 200."""
    reason: str
    """`ended`: no session continues them; `space`: the home had grown too large."""
