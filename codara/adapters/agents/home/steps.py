"""Steps into the folders of a home, each a real folder that its owner can use. All of it blocks."""

import os
import stat

from codara.adapters.agents.home.removal import removed

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL_OF_IT = 0o700


def entered(above: int, name: str, owner: int | None) -> int:
    """Opens a folder in another one; made if it is missing, and what is no folder makes room.

    Gives it to `owner`, unless that is None, and its owner every right to it. Returns the
    descriptor.
    """
    try:
        return known(above, name, owner)
    except FileNotFoundError:
        os.mkdir(name, _ALL_OF_IT, dir_fd=above)
        return known(above, name, owner)


def known(above: int, name: str, owner: int | None = None) -> int:
    """Opens the folder as `entered` does, if it is there; FileNotFoundError if it is missing."""
    try:
        place = os.open(name, _PLACE, dir_fd=above)
    except NotADirectoryError:
        removed(above, name)
        raise FileNotFoundError(name) from None
    try:
        _open_up(place, owner)
        return os.open(".", _DIRECTORY, dir_fd=place)
    finally:
        os.close(place)


def clear_for_a_file(folder: int, name: str) -> None:
    """Removes a folder in a file's place."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode):
        removed(folder, name)


def _open_up(place: int, owner: int | None) -> None:
    found = os.fstat(place)
    path = f"/proc/self/fd/{place}"
    if owner is not None and found.st_uid != owner:
        os.chown(path, owner, owner)
    if found.st_mode & _ALL_OF_IT != _ALL_OF_IT:
        os.chmod(path, stat.S_IMODE(found.st_mode) | _ALL_OF_IT)  # noqa: PTH101 # no sure path
