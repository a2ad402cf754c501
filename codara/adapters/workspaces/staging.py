"""Files put into a workspace and taken out again: step by step, never through a link."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Sequence

from codara.application.ports.workspaces import Upload
from codara.errors import CodaraError, StorageFull, WorkspaceAccessDenied

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_IN_THE_WAY = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EEXIST})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_UNSEEN_BY_GIT = Upload(".gitignore", b"*\n")
"""An agent that commits everything does not commit these."""

Owner = tuple[int, int] | None
"""Uid and gid of the agents; None leaves ownership alone."""


def stage(root: int, below: str, files: Sequence[Upload], owner: Owner) -> None:
    """Writes the files into a fresh folder `below` the directory `root`; OSError, and nothing left.

    `named` tells what the error means.
    """
    try:
        remove(root, below)
        _fill(root, below, files, owner)
    except OSError:
        with contextlib.suppress(OSError):
            remove(root, below)
        raise


def named(error: OSError, below: str) -> CodaraError | None:
    """Returns what kept files from being staged, where a caller can do something about it."""
    if error.errno in _NO_ROOM:
        return StorageFull("There is no room for the uploaded files.")
    if error.errno in _IN_THE_WAY:
        return WorkspaceAccessDenied(
            f"Something else is where uploaded files go ({below} in the workspace): remove it."
        )
    if error.errno in _NOT_ALLOWED:
        return WorkspaceAccessDenied(
            f"Uploaded files may not be written to {below} in the workspace: "
            "give that folder, and those above it, their permissions back, or remove it."
        )
    if error.errno == errno.ENOENT:
        return WorkspaceAccessDenied(
            "The workspace's folder was removed, so uploaded files have no place: "
            "make it again, or use another workspace."
        )
    return None


def remove(root: int, below: str) -> None:
    """Removes the folder, and those above it that are empty then; harmless if it is not there."""
    folders = below.split("/")
    with contextlib.ExitStack() as opened, contextlib.suppress(FileNotFoundError):
        parents = [root]
        for name in folders[:-1]:
            parents.append(os.open(name, _DIRECTORY, dir_fd=parents[-1]))
            opened.callback(os.close, parents[-1])
        _remove_one(parents[-1], folders[-1])
        for parent, name in zip(parents[-2::-1], folders[-2::-1], strict=True):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent)


def _remove_one(parent: int, name: str) -> None:
    if stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def _fill(root: int, below: str, files: Sequence[Upload], owner: Owner) -> None:
    with contextlib.ExitStack() as opened:
        here = root
        for name in below.split("/"):
            here = _step(here, name, owner)
            opened.callback(os.close, here)
        for each in (_UNSEEN_BY_GIT, *files):
            _write(here, each, owner)


def _step(parent: int, name: str, owner: Owner) -> int:
    made = False
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        made = True
    folder = os.open(name, _DIRECTORY, dir_fd=parent)
    if made and owner is not None:
        os.fchown(folder, *owner)
    return folder


def _write(folder: int, upload: Upload, owner: Owner) -> None:
    file = os.open(upload.name, _NEW_FILE, 0o600, dir_fd=folder)
    try:
        view = memoryview(upload.data)
        while view:
            view = view[os.write(file, view) :]
        if owner is not None:
            os.fchown(file, *owner)
    finally:
        os.close(file)
