"""What an SQLite database says of itself in its first page, read without opening the database.

It is the agent's, and may hold anything: the answer is as good as the file. The newest first page
may still stand in the log beside it (the file that ends in `-wal`).
"""

import os
import struct
from contextlib import suppress

from codara.adapters.agents.home.inside import FILE

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_PAGES = struct.Struct(">16xH10xI4xI")
"""The size of a page, how many there are, and how many of them are free."""
_WHOLE = 65536
"""The page size that is written as 1."""
_LOG = "-wal"
_LOG_HEADER, _FRAME = struct.Struct(">I4xI4x8s8x"), struct.Struct(">II8s8x")
_LOG_MAGIC = (0x377F0682, 0x377F0683)
_MOST_FRAMES = 200_000


def used_bytes(folder: int, name: str) -> int | None:
    """Returns the bytes of a database's pages that are not free; None if it is no database. Blocks.

    OSError where there is no such file, or none that can be read.
    """
    file = os.open(name, FILE, dir_fd=folder)
    try:
        page = os.pread(file, _HEADER_BYTES, 0)
    finally:
        os.close(file)
    if len(page) < _HEADER_BYTES or not page.startswith(_MAGIC):
        return None
    with suppress(OSError, struct.error):
        page = _logged(folder, name + _LOG) or page
    size, pages, free = _PAGES.unpack_from(page)
    return max(0, int(pages) - int(free)) * (_WHOLE if size == 1 else int(size))


def _logged(folder: int, name: str) -> bytes | None:
    """Returns the newest committed first page in a log; None if the log has none of it."""
    file = os.open(name, FILE, dir_fd=folder)
    try:
        magic, size, salt = _LOG_HEADER.unpack(os.pread(file, _LOG_HEADER.size, 0))
        if magic not in _LOG_MAGIC:
            return None
        found = _newest(file, size, salt)
        page = None if found is None else os.pread(file, _HEADER_BYTES, found)
    finally:
        os.close(file)
    return page if page is not None and page.startswith(_MAGIC) else None


def _newest(file: int, size: int, salt: bytes) -> int | None:
    """Where the first page's last version stands; what an earlier log left has another salt."""
    at, seen, committed = _LOG_HEADER.size, None, None
    for _ in range(_MOST_FRAMES):
        header = os.pread(file, _FRAME.size, at)
        if len(header) < _FRAME.size:
            break
        page, pages, salted = _FRAME.unpack(header)
        if salted != salt:
            break
        seen = at + _FRAME.size if page == 1 else seen
        committed = seen if pages else committed
        at += _FRAME.size + size
    return committed
