"""How much somebody else's JSON text holds, counted before it is read.

Reading makes an object of every value and lets no other thread run meanwhile: 60 MB of empty
objects take 1.3 GB and seconds. Counting bytes takes milliseconds and no memory.
"""

from itertools import accumulate

MOST_VALUES = 200_000
MOST_DEPTH = 200
_OPEN, _CLOSED = b"[{", b"]}"
_STEP = {**dict.fromkeys(_OPEN, 1), **dict.fromkeys(_CLOSED, -1)}
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in _STEP)


class TooMuch(ValueError):
    """More than anybody can take; says of what."""


def check_amount(text: bytes, most: int = MOST_VALUES) -> None:
    """Raises TooMuch for more than `most` values, or more than `MOST_DEPTH` in each other.

    What is inside strings does not count.
    """
    if _values(text) <= most and _opened(text) <= MOST_DEPTH:
        return
    bare = _without_strings(text, most)
    if _values(bare) > most:
        raise _many(most)
    if _opened(bare) > MOST_DEPTH and _depth(bare) > MOST_DEPTH:
        raise TooMuch(f"a message that is nested deeper than {MOST_DEPTH} levels")


def _many(most: int) -> TooMuch:
    return TooMuch(f"a message of more than {most:,} values")


def _values(text: bytes) -> int:
    return _opened(text) + text.count(b",")


def _opened(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _without_strings(text: bytes, most: int) -> bytes:
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 4 * most:
        raise _many(most)
    return b"".join(plain.split(b'"')[::2])


def _depth(text: bytes) -> int:
    brackets = text.translate(None, _NO_BRACKETS)
    return max(accumulate(_STEP[byte] for byte in brackets), default=0)
