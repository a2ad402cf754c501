"""Giving the owner of a folder back what a `chmod` took: reading, writing and entering.

Nothing is reached through a link, and no path is looked up: only names in open directories.
"""

import os
import stat
import time
from contextlib import suppress
from threading import Event

import attrs

_PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = _PLACE | os.O_DIRECTORY
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDERS_RIGHTS, _FILES_RIGHTS = 0o700, 0o600


@attrs.frozen(kw_only=True)
class MendLimits:
    """How much is looked at: `entries` in all, up to `depth` folders deep, for `seconds`."""

    entries: int = 200_000
    depth: int = 128
    seconds: float = 30.0


@attrs.define(kw_only=True)
class Mending:
    """What was given back: to how many folders and files; `partial` if some may have been missed.

    `left` counts those to which nothing could be given back.
    """

    folders: int = 0
    files: int = 0
    left: int = 0
    partial: bool = False


def mend(folder: int, limits: MendLimits, stop: Event | None = None) -> Mending:
    """Returns what it gave back in an open folder and in all below it. Blocks.

    `folder` is a descriptor that may be open as a mere place (`O_PATH`). It stays open. Ends early,
    and is partial, once `stop` is set.
    """
    walk = _Walk(limits, stop or Event())
    walk.place(folder, limits.depth)
    return walk.done


class _Walk:
    def __init__(self, limits: MendLimits, stop: Event) -> None:
        self.done = Mending()
        self._left = limits.entries
        self._until = time.monotonic() + limits.seconds
        self._stop = stop

    def place(self, place: int, depth: int) -> None:
        """Mends a folder, and then what is in it; the innermost of `depth` is not entered."""
        try:
            if _given(place, os.fstat(place), _FOLDERS_RIGHTS):
                self.done.folders += 1
            here = os.open(".", _DIRECTORY, dir_fd=place)
        except OSError:
            self.done.left += 1
            return
        try:
            self._within(here, depth)
        finally:
            os.close(here)

    def _within(self, here: int, depth: int) -> None:
        below: list[str] = []
        with os.scandir(here) as entries:
            for each in entries:
                if not self._may_go_on():
                    break
                if each.is_dir(follow_symlinks=False):
                    below.append(each.name)
                elif each.is_file(follow_symlinks=False):
                    self._file(here, each.name)
        if below and depth == 1:
            self.done.partial = True
            return
        for name in below:
            self._folder(here, name, depth - 1)

    def _folder(self, above: int, name: str, depth: int) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            place = os.open(name, _FOLDER, dir_fd=above)
            try:
                self.place(place, depth)
            finally:
                os.close(place)

    def _file(self, here: int, name: str) -> None:
        with suppress(FileNotFoundError):
            place = os.open(name, _PLACE, dir_fd=here)
            try:
                found = os.fstat(place)
                if stat.S_ISREG(found.st_mode) and _given(place, found, _FILES_RIGHTS):
                    self.done.files += 1
            except OSError:
                self.done.left += 1
            finally:
                os.close(place)

    def _may_go_on(self) -> bool:
        self._left -= 1
        if self._left < 0 or self._stop.is_set() or time.monotonic() > self._until:
            self.done.partial = True
            return False
        return True


def _given(place: int, found: os.stat_result, rights: int) -> bool:
    """Gives an open place these rights, unless its owner has them; says whether it had to."""
    mode = stat.S_IMODE(found.st_mode)
    if mode & rights == rights:
        return False
    os.chmod(f"/proc/self/fd/{place}", mode | rights)  # noqa: PTH101 # no path leads there surely
    return True
