"""Digests: what was stored, in 32 bytes beside it, and what it means if they do not fit."""

import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256

from codara.errors import LogDamaged

LEAF = b"\0"
"""Stands before every leaf that is hashed (RFC 6962, 2.1), so that no leaf passes for a node."""
_HEAD = struct.Struct(">IQII")
REMEDY = "stop the gateway, check the disk and restore a backup"

StoredRow = tuple[int, str, int, str, bytes, bytes | None, int]
"""Position, stream, version, name, bytes and digest of a stored event, and up to which position
events may be without a digest."""


class StoredDamage(LogDamaged):
    """What is stored is not what was written there: no event or payload is trusted after that.

    `why` is the message without its remedy.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"the log is damaged: {why}; {REMEDY}")
        self.why = why


def leaf_hash(stream: str, version: int, name: str, state: bytes) -> bytes:
    """Returns the leaf hash of an event: SHA-256 over a zero byte, a head and three fields.

    The head has the length of the stream's name (4 bytes), the version (8), the lengths of the
    event's name and of its stored bytes (4 each), all big-endian. The fields are in UTF-8.
    """
    of_stream, of_name = stream.encode(), name.encode()
    head = _HEAD.pack(len(of_stream), version, len(of_name), len(state))
    return sha256(LEAF + head + of_stream + of_name + state).digest()


def damage_of(row: StoredRow) -> StoredDamage | None:
    """Returns what is wrong with an event, if anything is; an unproven one passes."""
    position, stream, version, name, state, digest, unproven = row
    if digest is None:
        if position <= unproven:
            return None
        return event_damage(position, stream, version, "its digest is missing")
    try:
        fits = leaf_hash(stream, version, name, state) == digest
    except (AttributeError, TypeError, ValueError, struct.error):
        fits = False
    if fits:
        return None
    return event_damage(position, stream, version, "it does not match its digest")


def damages(rows: Sequence[StoredRow], after: int, until: int) -> Iterator[StoredDamage]:
    """Yields what is wrong with the events behind `after`, up to and with `until`.

    `rows` is all that is stored there, in the order of positions.
    """
    expected = after + 1
    for row in rows:
        yield from map(missing_event, range(expected, row[0]))
        if found := damage_of(row):
            yield found
        expected = row[0] + 1
    yield from map(missing_event, range(expected, until + 1))


def event_damage(position: int, stream: str, version: int, what: str) -> StoredDamage:
    """Returns the damage of the event at a position."""
    return StoredDamage(f"the event at position {position:,} ({stream}, version {version}): {what}")


def missing_event(position: int) -> StoredDamage:
    """Returns the damage of a position at which there is no event."""
    return StoredDamage(f"the event at position {position:,} is missing")


def unreadable_event(position: int, error: Exception) -> StoredDamage:
    """Returns the damage of a position at which SQLite cannot read its file."""
    return StoredDamage(f"the event at position {position:,} cannot be read ({error})")


def payload_damage(payload_id: str, what: str, event: tuple[int, str, int] | None) -> StoredDamage:
    """Returns the damage of a payload; `event` is the position, stream and version of its event."""
    if event is None:
        return StoredDamage(f"payload {payload_id}, of no event that is there: {what}")
    position, stream, version = event
    of_event = f"of the event at position {position:,} ({stream}, version {version})"
    return StoredDamage(f"payload {payload_id} {of_event}: {what}")
