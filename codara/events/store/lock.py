"""One gateway per log: a lock on a file beside it, held as long as the process lives."""

import fcntl
import os
from pathlib import Path

from codara.errors import LogLocked


class FileLock:
    """Held from `take` to `release`, or until the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    @classmethod
    def beside(cls, log: Path) -> "FileLock":
        """Returns the lock of a log, not taken yet."""
        return cls(log.with_name(f"{log.name}.lock"))

    def take(self) -> None:
        """Takes it, or does nothing if it is held here; LogLocked, with the process that has it."""
        if self._file >= 0:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise LogLocked(
                f"process {holder} holds the log {self._path.with_suffix('')}; stop that gateway, "
                "or give this one a data folder of its own"
            ) from error
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Harmless when it is not held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
