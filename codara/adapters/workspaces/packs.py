"""Git objects on disk: loose files for a few, one pack for many."""

import hashlib
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import attrs

LOOSE_AT_MOST = 256
"""Up to this many new objects of a snapshot become files of their own; more become one pack."""

_FASTEST = 1
_KINDS = {b"tree": 2, b"blob": 3}
_BIG_OFFSET = 1 << 31


def object_id(kind: bytes, data: bytes) -> bytes:
    """Returns the 20 bytes under which git knows an object."""
    digest = hashlib.sha1(_header(kind, data), usedforsecurity=False)
    digest.update(data)
    return digest.digest()


def _header(kind: bytes, data: bytes) -> bytes:
    return b"%s %d\0" % (kind, len(data))


def write_loose(objects: Path, kind: bytes, oid: bytes, data: bytes) -> None:
    """Writes the object's file unless it is there. One writer at a time."""
    name = oid.hex()
    target = objects / name[:2] / name[2:]
    if _is_there(target):
        return
    squeeze = zlib.compressobj(_FASTEST)
    packed = squeeze.compress(_header(kind, data)) + squeeze.compress(data) + squeeze.flush()
    draft = objects / "draft"
    draft.write_bytes(packed)
    try:
        draft.rename(target)
    except FileNotFoundError:
        target.parent.mkdir(exist_ok=True)
        draft.rename(target)


def _is_there(target: Path) -> bool:
    """Says whether the file is there; an empty one, left by a power failure, does not count."""
    try:
        return os.stat(target).st_size > 0  # noqa: PTH116 # the quickest way, and we do this a lot
    except FileNotFoundError:
        return False


@attrs.define
class Pack:
    """A pack being written; nobody sees it before `finish`."""

    objects: Path
    file: BinaryIO
    entries: dict[bytes, tuple[int, int]] = attrs.field(factory=dict)
    """By object id: crc and offset."""
    size: int = 12

    @classmethod
    def begin(cls, objects: Path) -> "Pack":
        """Opens the draft; what an earlier one left is overwritten."""
        file = (objects / "pack" / "draft.pack").open("w+b")
        file.write(b"PACK" + struct.pack(">II", 2, 0))
        return cls(objects, file)

    def add(self, kind: bytes, oid: bytes, data: bytes) -> None:
        """Appends an object; one that this pack holds already is left alone."""
        if oid in self.entries:
            return
        record = _entry_header(kind, len(data)) + zlib.compress(data, _FASTEST)
        self.entries[oid] = (zlib.crc32(record), self.size)
        self.file.write(record)
        self.size += len(record)

    def abandon(self) -> None:
        """Forgets everything that was added."""
        self.file.close()

    def finish(self) -> None:
        """Writes counts, checksum and index, and makes the pack visible and durable."""
        self.file.seek(8)
        self.file.write(struct.pack(">I", len(self.entries)))
        checksum = self._checksum()
        self.file.write(checksum)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        folder = self.objects / "pack"
        (folder / "draft.idx").write_bytes(_index(self.entries, checksum))
        (folder / "draft.pack").rename(folder / f"pack-{checksum.hex()}.pack")
        (folder / "draft.idx").rename(folder / f"pack-{checksum.hex()}.idx")

    def _checksum(self) -> bytes:
        self.file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while chunk := self.file.read(1 << 20):
            digest.update(chunk)
        return digest.digest()


def _entry_header(kind: bytes, size: int) -> bytes:
    first = _KINDS[kind] << 4 | size & 15
    size >>= 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    out.append(first)
    return bytes(out)


def _index(entries: dict[bytes, tuple[int, int]], checksum: bytes) -> bytes:
    oids = sorted(entries)
    fan_out, seen = [0] * 256, 0
    for oid in oids:
        fan_out[oid[0]] += 1
    for first, number in enumerate(fan_out):
        seen += number
        fan_out[first] = seen
    crcs = [entries[oid][0] for oid in oids]
    small, big = _offsets([entries[oid][1] for oid in oids])
    body = b"".join(
        [
            b"\xfftOc",
            struct.pack(">I256I", 2, *fan_out),
            *oids,
            struct.pack(f">{len(crcs)}I", *crcs),
            struct.pack(f">{len(small)}I", *small),
            struct.pack(f">{len(big)}Q", *big),
            checksum,
        ]
    )
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _offsets(offsets: list[int]) -> tuple[list[int], list[int]]:
    small: list[int] = []
    big: list[int] = []
    for offset in offsets:
        if offset < _BIG_OFFSET:
            small.append(offset)
        else:
            small.append(_BIG_OFFSET | len(big))
            big.append(offset)
    return small, big
