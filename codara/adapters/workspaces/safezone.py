"""The workspaces' root: the only place where folders are made, opened or removed."""

import errno
import os
import re
import stat
from pathlib import Path

import attrs

from codara.adapters.workspaces.names import folder_name
from codara.errors import WorkspaceAccessDenied

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN = _DIRECTORY | os.O_NOFOLLOW
_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_USER = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PASSABLE = 0o711
_PRIVATE = 0o700


@attrs.frozen
class SafeZone:
    """`<root>/<user id>/<name>`, and nothing else. `owner` is the uid and gid of the agents."""

    root: Path
    owner: tuple[int, int] | None

    def folder(self, user_id: str, label: str) -> Path:
        """Returns where a workspace of that label is."""
        if not _USER.fullmatch(user_id):
            raise WorkspaceAccessDenied(f"{user_id!r} cannot own a workspace.")
        return self.root / user_id / folder_name(label)

    def open(self, folder: Path) -> int:
        """Returns a descriptor of the folder, reached without following any link below the root.

        FileNotFoundError if it is not there; WorkspaceAccessDenied if it is not in the zone.
        """
        return self._opened(folder, make=False)

    def place(self, folder: Path) -> int:
        """Opens the folder as a mere place (`O_PATH`), which needs no right to it; as `open`."""
        return self._opened(folder, make=False, flags=_PLACE)

    def make(self, folder: Path) -> None:
        """Makes the folder as `open` would reach it, owned by the agents."""
        self.root.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
        fd = self._opened(folder, make=True)
        try:
            if self.owner is not None and os.fstat(fd).st_uid != self.owner[0]:
                os.fchown(fd, *self.owner)
        finally:
            os.close(fd)

    def _opened(self, folder: Path, *, make: bool, flags: int = _OPEN) -> int:
        user, name = self._parts(folder)
        root = os.open(self.root, _DIRECTORY)
        try:
            between = _step(root, user, _PASSABLE if make else None)
            try:
                return _step(between, name, _PRIVATE if make else None, flags)
            finally:
                os.close(between)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise WorkspaceAccessDenied(
                    "Where the workspace's folder should be is a link or a file. An operator must "
                    "remove it.",
                    detail=str(folder),
                ) from error
            raise
        finally:
            os.close(root)

    def _parts(self, folder: Path) -> tuple[str, str]:
        root, path = f"{self.root}/", str(folder)
        parts = path.removeprefix(root).split("/") if path.startswith(root) else []
        if len(parts) != 2 or ".." in parts:
            raise WorkspaceAccessDenied(
                "The workspace lies outside the folder that the gateway keeps workspaces in now. "
                "Use another workspace, or ask an operator.",
                detail=f"{folder} is not below {self.root}",
            )
        return parts[0], parts[1]


def _step(parent: int, name: str, make: int | None, flags: int = _OPEN) -> int:
    """Opens a directory in another one; with `make` as its mode it is made if need be."""
    if make is not None:
        try:
            os.mkdir(name, make, dir_fd=parent)
        except FileExistsError:
            make = None
    fd = os.open(name, flags, dir_fd=parent)
    if make is not None and stat.S_IMODE(os.fstat(fd).st_mode) != make:
        os.fchmod(fd, make)
    return fd
