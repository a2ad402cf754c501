"""Looking into a home by steps: what lies there is the agent's, and a path could lead elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(*names: str | Path, above: int | None = None) -> Iterator[int]:
    """Opens a folder, step by step; OSError if one of the names is not a folder. Blocks."""
    name, *below = names
    folder = os.open(name, _DIRECTORY, dir_fd=above)
    try:
        if not below:
            yield folder
        else:
            with opened(*below, above=folder) as innermost:
                yield innermost
    finally:
        os.close(folder)
