"""What the last snapshot knew of each directory, so that the next one reads only what changed."""

import hashlib
import os
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path

import attrs

FIELDS = 5
"""Numbers kept of each file: mode, size, inode, mtime and ctime in nanoseconds."""

ID = 20
NOTHING = bytes(ID)
"""Stands for the id of what is in no tree."""

_MAGIC = b"codara-known-1\0\0"
_HEAD = struct.Struct("<IIIQ20s")
_NAME = struct.Struct("<I")
_LARGEST = 63


@attrs.frozen(eq=False)
class Directory:
    """One directory: its files as compact columns, and its subdirectories."""

    names: str
    """Of the files, NUL between them, in the order in which they were listed."""
    stats: "array[int]"
    oids: bytes
    size: int
    children: dict[str, "Directory"]
    tree: bytes
    """The tree's id; NOTHING if it holds no file at any depth."""

    def files(self) -> dict[str, tuple[Sequence[int], bytes]]:
        """Stat numbers and object id of each file."""
        names = self.names.split("\0") if self.names else []
        return {
            name: (self.stats[at * FIELDS : (at + 1) * FIELDS], self.oids[at * ID : (at + 1) * ID])
            for at, name in enumerate(names)
        }


def columns(numbers: Sequence[int]) -> "array[int]":
    """Stat numbers in 64 bits each; those of odd file systems lose their highest bits."""
    try:
        return array("q", numbers)
    except OverflowError:
        return array("q", [number & (1 << _LARGEST) - 1 for number in numbers])


def save(known: Directory, path: Path) -> None:
    """Writes it all to one file, which is complete or not there."""
    parts: list[bytes] = []
    _dump(known, parts)
    body = b"".join(parts)
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    draft.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
    draft.rename(path)


def _dump(known: Directory, parts: list[bytes]) -> None:
    names = os.fsencode(known.names)
    count = len(known.oids) // ID
    parts.append(_HEAD.pack(len(names), count, len(known.children), known.size, known.tree))
    parts += [names, known.stats.tobytes(), known.oids]
    for name, child in known.children.items():
        encoded = os.fsencode(name)
        parts += [_NAME.pack(len(encoded)), encoded]
        _dump(child, parts)


def load(path: Path) -> Directory | None:
    """Reads what `save` wrote; None if it is missing or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + 32
    if not data.startswith(_MAGIC) or hashlib.sha256(data[start:]).digest() != data[16:start]:
        return None
    return _Reader(memoryview(data)[start:]).directory()


@attrs.define
class _Reader:
    data: memoryview
    at: int = 0

    def take(self, size: int) -> bytes:
        self.at += size
        return bytes(self.data[self.at - size : self.at])

    def directory(self) -> Directory:
        length, count, children, size, tree = _HEAD.unpack(self.take(_HEAD.size))
        names = os.fsdecode(self.take(length))
        stats = array("q", self.take(count * FIELDS * 8))
        oids = self.take(count * ID)
        below = {self._name(): self.directory() for _ in range(children)}
        return Directory(names, stats, oids, size, below, tree)

    def _name(self) -> str:
        return os.fsdecode(self.take(_NAME.unpack(self.take(_NAME.size))[0]))
