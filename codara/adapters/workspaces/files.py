"""Reads one file of a workspace: never through a link, never a device, never without a bound."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK = 1 << 20
_HASHED_AT_MOST = 16
"""Times `max_file_bytes`: what is larger is told apart by size and time of change only."""

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL})


class Vanished(Exception):
    """It was there when the folder was listed, and is gone or something else now."""


def vanished(error: OSError) -> bool:
    """Whether the error means that the agent is quicker than we are, not that we may not read."""
    return error.errno in _GONE


def read_content(name: str, folder: int, keep: int, check: Callable[[], None]) -> bytes:
    """Returns the blob for the file `name` in the directory of that descriptor.

    The content, if it has at most `keep` bytes. Otherwise a few lines that begin with a NUL (so
    that a diff calls them binary) and tell the size and the SHA-256, or the time of the last change
    where even reading it would take too long. `check` is called between chunks. Vanished or OSError
    if it cannot be read.
    """
    try:
        file = os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        if vanished(error):
            raise Vanished from error
        raise
    try:
        seen = os.fstat(file)
        if not stat.S_ISREG(seen.st_mode):
            raise Vanished
        if seen.st_size > keep * _HASHED_AT_MOST:
            return _stand_in(seen.st_size, f"mtime_ns {seen.st_mtime_ns}")
        return _read(file, keep, check)
    finally:
        os.close(file)


def _read(file: int, keep: int, check: Callable[[], None]) -> bytes:
    digest = None
    kept: list[bytes] = []
    size = 0
    while chunk := os.read(file, _CHUNK):
        size += len(chunk)
        if digest is not None:
            digest.update(chunk)
        else:
            kept.append(chunk)
            if size > keep:
                digest = hashlib.sha256(b"".join(kept))
                kept.clear()
        if size > keep * _HASHED_AT_MOST:
            return _stand_in(size, "still growing")
        check()
    if digest is None:
        return kept[0] if len(kept) == 1 else b"".join(kept)
    return _stand_in(size, f"sha256 {digest.hexdigest()}")


def _stand_in(size: int, told_by: str) -> bytes:
    return f"\0content not kept\nsize {size}\n{told_by}\n".encode()


def read_link(name: str, folder: int) -> bytes:
    """Returns the text of a symbolic link without following it; Vanished if it is no link now."""
    try:
        return os.fsencode(os.readlink(name, dir_fd=folder))
    except OSError as error:
        if vanished(error):
            raise Vanished from error
        raise
