"""Identifiers: a prefix that names the kind, then a time-ordered UUID (RFC 9562, version 7)."""

import os
import time
from collections.abc import Callable

NewId = Callable[[str], str]

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def uuid7_hex() -> str:
    """32 hexadecimal digits that sort by the millisecond they were made in."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    high, low = random >> 68, random & ((1 << 62) - 1)
    return f"{milliseconds << 80 | _VERSION_7 | high << 64 | _VARIANT | low:032x}"


def new_id(prefix: str) -> str:
    """A fresh id such as ``trn_0199...``; `prefix` without the underscore."""
    return f"{prefix}_{uuid7_hex()}"
