"""How much a home takes on the disk, told without following a link."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import attrs

from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.sqlitefile import used_bytes

MOST_ENTRIES = 2_000_000
"""Up to this many entries of a home are counted."""
DEEPEST = 64
"""Up to this many folders deep."""

_BLOCK = 512
_DATABASES = (".db", ".sqlite")
_BESIDE = ("-wal", "-shm")


def measured(home: Path) -> int:
    """Returns the bytes that a home takes; 0 if it is missing or cannot be entered. Blocks.

    Of a database only the rows count. Its free pages, which a removed thread left, and its log
    do not. A file of several names counts once.
    """
    scales = _Scales()
    with suppress(OSError), opened(home) as folder:
        scales.weigh(folder, DEEPEST)
    return scales.total


@attrs.define
class _Scales:
    total: int = 0
    entries: int = 0

    def weigh(self, folder: int, deepest: int) -> None:
        """Adds what is in a folder; its folders by their names, as these need no descriptors."""
        below: list[str] = []
        with suppress(OSError), os.scandir(folder) as found:
            for each in found:
                self.entries += 1
                if self.entries > MOST_ENTRIES:
                    return
                with suppress(OSError):
                    if each.is_dir(follow_symlinks=False):
                        below.append(each.name)
                    self.total += _bytes(folder, each)
        for name in below if deepest else ():
            with suppress(OSError), opened(name, above=folder) as within:
                self.weigh(within, deepest - 1)


def _bytes(folder: int, entry: "os.DirEntry[str]") -> int:
    found = entry.stat(follow_symlinks=False)
    taken = found.st_blocks * _BLOCK
    if not stat.S_ISREG(found.st_mode):
        return taken
    name = entry.name.rpartition("-")[0]
    if entry.name.endswith(_DATABASES):
        used = used_bytes(folder, entry.name)
        taken = taken if used is None else used
    elif entry.name.endswith(_BESIDE) and name.endswith(_DATABASES):
        taken = taken if used_bytes(folder, name) is None else 0
    return taken // max(1, found.st_nlink)
