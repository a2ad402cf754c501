"""Bytes of an agent's output into lines, and lines into objects, whatever they hold."""

import json
from typing import Any

import orjson

from codara import offload
from codara.amount import TooMuch, check_amount
from codara.events import readable

LINE_LIMIT = 64 * 1024 * 1024
CHUNK = 256 * 1024
READ_AT_ONCE = 256 * 1024
"""A longer message is read in a thread."""

Message = dict[str, Any]


class Mended(Message):
    """A message in which U+FFFD stands for something that was no text."""


class LineTooLong(Exception):
    """The agent wrote more than `LINE_LIMIT` bytes without ending a line."""


class Lines:
    """Cuts a stream of chunks at its line ends.

    `feed` returns whole lines without their ends, empty ones left out, and raises LineTooLong as
    soon as the unfinished one is over `limit` bytes, so that memory stays bounded.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        head, *tail = chunk.split(b"\n")
        self._keep(head)
        if not tail:
            return []
        first = b"".join(self._parts)
        self._parts, self._size = [], 0
        self._keep(tail.pop())
        return [line for line in map(_stripped, (first, *tail)) if line]

    def rest(self) -> bytes:
        """Returns what came behind the last line end: half a line, if anything."""
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._limit:
            raise LineTooLong
        self._parts.append(part)


def message_of(line: bytes) -> Message | None:
    """Returns the JSON object of a line, as `value_of` reads it; None if it is something else.

    It is a `Mended` one if not all of the line was text. What is too much to be read is None, too.
    """
    try:
        return _object_in(line)
    except TooMuch:
        return None


async def heard_in(line: bytes) -> Message | None:
    """Returns `message_of` a line of an agent at work; TooMuch if it is too much to be read."""
    return await offload.by_size(lambda: _object_in(line), size=len(line), most=READ_AT_ONCE)


async def value_in(text: bytes) -> Any:
    """Returns `value_of` a text that may be long."""
    return await offload.by_size(lambda: value_of(text), size=len(text), most=READ_AT_ONCE)


def value_of(text: bytes) -> Any:
    """Returns the JSON value; ValueError if the text is not JSON, TooMuch if it holds too much.

    Text that is not valid UTF-8 or holds half a surrogate pair is read all the same: what cannot
    be text becomes U+FFFD.
    """
    check_amount(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _leniently(text)


def _stripped(line: bytes) -> bytes:
    return line.removesuffix(b"\r")


def _object_in(line: bytes) -> Message | None:
    try:
        value = value_of(line)
    except TooMuch:
        raise
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _leniently(text: bytes) -> Any:
    try:
        value = json.loads(text.decode("utf-8", "replace"))
        mended = _repaired(value)
    except RecursionError as deep:
        raise ValueError("the JSON is too deep") from deep
    was_text = readable.is_utf8(text) and mended == value
    return Mended(mended) if isinstance(mended, dict) and not was_text else mended


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    if isinstance(value, dict):
        return {_repaired(name): _repaired(item) for name, item in value.items()}
    return value
