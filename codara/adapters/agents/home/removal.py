"""Removing what agents have left: no link is followed, no folder is too deep, none shut.

Every call blocks: call it in a thread.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = 10_000
"""Up to this many names of a folder are held at a time."""


def removed(above: int, name: str) -> bool:
    """Removes a file, a link or a whole folder; False if some of it could not be removed.

    `above` is the folder it lies in. What is not there counts as removed.
    """
    try:
        if not _is_folder(above, name):
            os.unlink(name, dir_fd=above)
            return True
        with _unlocked(above, name) as folder:
            _empty(folder)
        os.rmdir(name, dir_fd=above)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _empty(root: int) -> None:
    """Empties a folder without going deeper: folders of its folders are moved up, one by one.

    What cannot be removed stays, and is tried once.
    """
    names = (f".codara-{number}" for number in count())
    stuck: set[str] = set()
    while found := _some(root, stuck):
        for name in found:
            if not _flattened(root, name, names):
                stuck.add(name)


def _flattened(root: int, name: str, names: Iterator[str]) -> bool:
    """Removes an entry of `root`; of a folder, the folders in it are entries of `root` then."""
    try:
        if not _is_folder(root, name):
            os.unlink(name, dir_fd=root)
            return True
        with _unlocked(root, name) as folder:
            stuck: set[str] = set()
            while found := _some(folder, stuck):
                stuck |= {each for each in found if not _lifted(folder, each, root, names)}
        os.rmdir(name, dir_fd=root)
    except OSError:
        return False
    return True


def _lifted(folder: int, name: str, root: int, names: Iterator[str]) -> bool:
    """Removes a file of a folder, or moves a folder up."""
    try:
        if not _is_folder(folder, name):
            os.unlink(name, dir_fd=folder)
            return True
        with _unlocked(folder, name):
            os.rename(name, _free(root, names), src_dir_fd=folder, dst_dir_fd=root)
    except OSError:
        return False
    return True


def _free(root: int, names: Iterator[str]) -> str:
    """A name that nothing in the folder has."""
    for name in names:
        try:
            os.stat(name, dir_fd=root, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise FileExistsError


def _some(folder: int, but: set[str]) -> list[str]:
    with os.scandir(folder) as entries:
        return list(islice((each.name for each in entries if each.name not in but), _AT_ONCE))


def _is_folder(above: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)


@contextmanager
def _unlocked(above: int, name: str) -> Iterator[int]:
    """A folder, opened, that may be read and changed from now on."""
    place = os.open(name, _PLACE, dir_fd=above)
    try:
        with suppress(OSError):
            os.chmod(f"/proc/self/fd/{place}", 0o700)  # noqa: PTH101 # no path leads there surely
        folder = os.open(".", _DIRECTORY, dir_fd=place)
    finally:
        os.close(place)
    try:
        yield folder
    finally:
        os.close(folder)
