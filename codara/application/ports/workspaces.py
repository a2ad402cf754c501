"""Workspaces: the folders in which agents work, and what is known of their contents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs

from codara.events.workspace import FileChange

MISSING = "missing"
"""The word in `partial` for a folder that does not exist."""


@attrs.frozen(kw_only=True)
class Snapshot:
    """The tree of a folder at one moment; `partial` says what it does not hold, and why."""

    tree: str
    files: int
    bytes: int
    partial: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Diff:
    """Tree against tree. `patch` is unified text; if `truncated`, it is cut at `max_diff_bytes`.

    `raw` holds the patch's bytes where they are not UTF-8: the text cannot tell them.
    """

    files: tuple[FileChange, ...]
    patch: str
    raw: bytes | None = None
    truncated: bool


@attrs.frozen(kw_only=True)
class Repair:
    """What an owner was given back: how many folders and files it may use again.

    `left` counts those that it still may not; `partial` says that not everything was looked at.
    """

    folders: int
    files: int
    left: int = 0
    partial: bool = False


@attrs.frozen
class Upload:
    """A file that came with a request: a plain name, its contents, and the name it was sent under.

    `sent` is any text, and empty if it is the plain name.
    """

    name: str
    data: bytes = attrs.field(repr=False)
    sent: str = ""


class Workspaces(Protocol):
    """The folders in which agents work, and what is known of their contents."""

    def folder(self, user_id: str, label: str) -> Path:
        """Returns the folder of a workspace with that label, whether or not it exists."""

    async def provision(self, workspace_id: str, folder: Path) -> None:
        """Makes the folder, owned by the user that agents run as; harmless if it exists."""

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        """Writes the folder's present tree to the store; never raises because of the contents."""

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        """Returns what differs between two trees of the workspace."""

    async def repair(self, workspace_id: str, folder: Path) -> Repair:
        """Lets the agents read, write and enter what they own; a missing folder is made."""

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        """Puts files into `folder`/`below`, which is emptied first; the agents own all of it.

        No link is followed. WorkspaceAccessDenied if something else is in the way, if the agents
        have made it impossible, or if the folder is gone.
        """

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        """Removes `folder`/`below`, and each empty folder above; harmless if it does not exist."""
