"""Breaks files that this process has open: the disk below them fails, by what the kernel says."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def no_writes(folder: Path, names: Sequence[str]) -> None:
    """From now on every write to these files fails; they are read as before."""
    _replace(folder, names, os.O_RDONLY)


def no_reads(folder: Path, names: Sequence[str]) -> None:
    """From now on every read of these files fails; they are written as before."""
    _replace(folder, names, os.O_WRONLY)


def _replace(folder: Path, names: Sequence[str], mode: int) -> None:
    """The numbers stay taken: whoever closes one closes nothing else."""
    paths = {str(folder / name) for name in names}
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            path = str(entry.readlink())
            if path in paths:
                fresh = os.open(path, mode | os.O_CLOEXEC)
                os.dup2(fresh, int(entry.name), inheritable=False)
                os.close(fresh)
                found += 1
    if not found:
        raise AssertionError(f"this process has none of these open: {sorted(paths)}")
