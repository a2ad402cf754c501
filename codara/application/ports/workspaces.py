"""Workspaces: the folders in which agents work, and what is known of their contents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs

from codara.events.workspace import FileChange

MISSING = "missing"
"""What `partial` says of a folder that is not there."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """The tree of a folder at one moment; `partial` says what it does not hold, and why."""

    tree: str
    files: int
    bytes: int
    partial: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Diff:
    """Tree against tree. `patch` is unified text, cut at `max_diff_bytes` if `truncated`."""

    files: tuple[FileChange, ...]
    patch: str
    truncated: bool


@attrs.frozen
class Upload:
    """A file that came with a request: a plain name, and what is in it."""

    name: str
    data: bytes = attrs.field(repr=False)


class Workspaces(Protocol):
    """The folders in which agents work, and what is known of their contents."""

    def folder(self, user_id: str, label: str) -> Path:
        """Where a workspace of that label is, whether it exists or not."""

    async def provision(self, workspace_id: str, folder: Path) -> None:
        """Makes the folder, owned by whom the agents run as. Doing it twice is harmless."""

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        """Writes the folder's present tree to the store; never raises for its contents."""

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        """What changed between two trees of the workspace."""

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        """Puts files into `folder`/`below`, which is emptied first; the agents own all of it.

        No link is followed. WorkspaceAccessDenied where something else is in the way, where the
        agents' own doing forbids it, or where the folder is gone.
        """

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        """Removes `folder`/`below`, and what is above it and empty; harmless if it is not there."""
