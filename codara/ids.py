"""Identifiers: a prefix that names the kind, then a time-ordered UUID (RFC 9562, version 7)."""

import os
import time
from collections import deque
from collections.abc import Callable

NewId = Callable[[str], str]

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_AT_ONCE = 256


class RandomPool:
    """Random bytes from the system, `size` of them a call, drawn in blocks; for any thread.

    A draw from the system lets other threads run, which costs far more than the draw.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._chunks: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._chunks.clear)

    def __call__(self) -> bytes:
        while True:
            try:
                return self._chunks.popleft()
            except IndexError:
                block = os.urandom(self._size * _AT_ONCE)
                starts = range(0, len(block), self._size)
                self._chunks.extend(block[start : start + self._size] for start in starts)


_random = RandomPool(10)


def uuid7_hex() -> str:
    """32 hexadecimal digits that sort by the millisecond they were made in."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(_random())
    high, low = random >> 68, random & ((1 << 62) - 1)
    return f"{milliseconds << 80 | _VERSION_7 | high << 64 | _VARIANT | low:032x}"


def new_id(prefix: str) -> str:
    """Returns a fresh id such as ``trn_0199...``; `prefix` without the underscore."""
    return f"{prefix}_{uuid7_hex()}"
