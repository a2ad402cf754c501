"""What an error of the log's disk means: no room, a disk that fails, or a defect of ours."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

import attrs

from codara.errors import CodaraError, LogDamaged, StorageFailed, StorageFull
from codara.events.store.digests import StoredDamage

ROOM_BYTES = 1024 * 1024
"""A disk has room while it takes this much more, and again once this much more of it is free."""
_NO_ROOM_OR_FAILING = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_FAILING = (sqlite3.DatabaseError, sqlite3.OperationalError, sqlite3.InternalError)
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_RETRY_SECONDS = 30.0
_FAILING_RETRY_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Trouble:
    """Why a transaction failed, in the words and with the class of the error that callers get.

    While the disk is `failing` nothing is written until the log's files have been opened again
    and checked; with `final` that has been done and the log stays closed. `free`: bytes that a
    full disk had left.
    """

    kind: type[CodaraError]
    reason: str
    retry_after: float | None = None
    failing: bool = False
    final: bool = False
    free: int = 0

    def error(self) -> CodaraError:
        """Returns the error for one caller."""
        return self.kind(self.reason, retry_after=self.retry_after, retry_safe=not self.final)

    def over(self, folder: Path) -> bool:
        """True once a disk that was full has room again; everything else ends with a success."""
        return self.kind is StorageFull and free(folder) >= self.free + ROOM_BYTES


def code_of(error: BaseException) -> int:
    """SQLite's primary result code; 0 for any other error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def fails(error: BaseException) -> bool:
    """True for an error after which the log's open files are not to be trusted.

    One gateway alone writes the log: that it is locked is no answer to expect, either.
    """
    return type(error) in _FAILING


def damage(error: BaseException) -> bool:
    """True where what was read is no database, or a broken one."""
    return code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def no_room(error: Exception, folder: Path) -> bool:
    """Whether SQLite failed for want of room. Blocks for a write of 1 MiB where it does not say."""
    code = code_of(error)
    return code == sqlite3.SQLITE_FULL or (code in _NO_ROOM_OR_FAILING and not has_room(folder))


def of_write(error: Exception, folder: Path) -> Trouble:
    """Returns what a failed write means. Blocks for a write of 1 MiB where SQLite does not say."""
    if no_room(error, folder):
        return Trouble(
            kind=StorageFull,
            reason=f"the disk of the log does not take more ({error}); make room on it, writes come"
            " back by themselves",
            retry_after=_FULL_RETRY_SECONDS,
            free=free(folder),
        )
    return of_read(error) if fails(error) else _defect(error)


def of_read(error: Exception) -> Trouble:
    """Returns what it means that the log's files cannot be read although the disk has room."""
    return Trouble(
        kind=StorageFailed,
        reason=f"the log's files fail ({error}); nothing is written until they have been opened"
        " again and checked, which happens by itself",
        retry_after=_FAILING_RETRY_SECONDS,
        failing=True,
    )


def of_reader(error: Exception) -> Trouble:
    """Returns what it means for writing that a reader met this error."""
    return stopped(error.why) if isinstance(error, StoredDamage) else of_read(error)


def stopped(why: str) -> Trouble:
    """Returns the trouble of a log whose files, opened again, are not what was written."""
    return Trouble(
        kind=StorageFailed,
        reason=f"the log takes no more writes: {why}. Stop the gateway, check the disk and restore"
        " a backup",
        failing=True,
        final=True,
    )


def _defect(error: Exception) -> Trouble:
    reason = f"the log cannot be written ({error}); check the disk and restore a backup"
    return Trouble(kind=LogDamaged, reason=reason)


def free(folder: Path) -> int:
    """Bytes that the folder's file system still has for us; 0 if it does not say."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return 0
    return room.f_bavail * room.f_frsize


def has_room(folder: Path) -> bool:
    """Tries it: writes 1 MiB behind where the largest file of the folder ends, and removes it.

    Quotas and limits of a file's size are lack of room as well, and only a write shows them. A disk
    that cannot even be tried is not called full.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            ends = max((each.stat().st_size for each in folder.iterdir()), default=0)
            os.lseek(file.fileno(), ends, os.SEEK_SET)
            return _write_whole(file.fileno())
    except OSError as error:
        return error.errno not in _NO_ROOM


def _write_whole(fd: int) -> bool:
    written = os.write(fd, bytes(ROOM_BYTES))
    os.fsync(fd)
    return written == ROOM_BYTES
