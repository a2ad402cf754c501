"""Groups: what is written together, and the statements that write several at once."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import attrs
from eventsourcing.persistence import StoredEvent

from codara.errors import VersionClash
from codara.events.store import schema
from codara.events.store.digests import leaf_hash

ROWS_AT_ONCE = (256, 64, 16)
"""The numbers of events that a statement takes; the rest goes into one of its own length."""


@attrs.frozen
class PayloadPart:
    """One row of a payload; its parts in order are the sealed bytes."""

    payload_id: str
    part: int
    box: bytes
    hash: bytes = attrs.field(
        default=attrs.Factory(lambda self: sha256(self.box).digest(), takes_self=True), repr=False
    )
    """SHA-256 of `box`."""

    @property
    def digest(self) -> "PartDigest":
        return self.payload_id, self.part, self.hash


EventDigest = tuple[int, bytes]
"""Position, and the leaf hash of the event there."""
PartDigest = tuple[str, int, bytes]
"""Payload, number of its part, and the SHA-256 of that row's bytes."""


@attrs.frozen(kw_only=True)
class Proofs:
    """Digests of what was written without them, and the marks that there are no more of a kind."""

    events: Sequence[EventDigest] = ()
    parts: Sequence[PartDigest] = ()
    marks: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.parts or self.marks)


@attrs.define(eq=False)
class Group:
    """What is written together or not at all. A group without events writes the rest alone.

    `builds_on` are groups decided before it that were not written yet: it fails with any of them,
    also where its versions follow on by chance.
    """

    events: Sequence[StoredEvent]
    parts: Sequence[PayloadPart] = ()
    builds_on: Sequence["Group"] = ()
    failed: bool = False
    proofs: Proofs | None = None
    hashes: Sequence[bytes] = attrs.field(init=False, repr=False)
    """The leaf hashes of `events`, made here and now."""

    @hashes.default
    def _of_events(self) -> Sequence[bytes]:
        return [
            leaf_hash(
                str(stored.originator_id), stored.originator_version, stored.topic, stored.state
            )
            for stored in self.events
        ]


Fate = int | VersionClash
"""The group's last position (0 if it has no events), or why it was left out."""

Statement = tuple[str, Sequence[Any]]
"""SQL, and the values for its places."""


@attrs.define
class Batch:
    """What one transaction is to write, and what is known once it is written."""

    position: int
    versions: dict[str, int] = attrs.field(factory=dict)
    fates: list[Fate] = attrs.field(factory=list)
    values: list[Any] = attrs.field(factory=list)
    parts: list[Statement] = attrs.field(factory=list)
    digests: list[Any] = attrs.field(factory=list)
    part_digests: list[Any] = attrs.field(factory=list)
    marks: list[Statement] = attrs.field(factory=list)

    def add(self, group: Group) -> None:
        """The group's events follow on from those that are here."""
        for stored, digest in zip(group.events, group.hashes, strict=True):
            self.position += 1
            self.digests += (self.position, digest)
            self.values += (
                self.position,
                stored.originator_id,
                stored.originator_version,
                stored.topic,
                stored.state,
            )
        for part in group.parts:
            self.part_digests += part.digest
            self.parts.append((schema.INSERT_PART, (part.payload_id, part.part, part.box)))
        if group.proofs is not None:
            self._prove(group.proofs)
        self.fates.append(self.position if group.events else 0)

    def statements(self) -> list[Statement]:
        """As few as can be: the interpreter's lock is given away once for each.

        Digests come first: the database refuses what has none.
        """
        return [
            *_inserts(schema.insert_digests, self.digests, 2),
            *_inserts(schema.insert_part_digests, self.part_digests, 3),
            *_inserts(schema.insert_at, self.values, schema.COLUMNS),
            *self.parts,
            *self.marks,
        ]

    def _prove(self, proofs: Proofs) -> None:
        for event in proofs.events:
            self.digests += event
        for part in proofs.parts:
            self.part_digests += part
        self.marks += [(schema.INSERT_MARK, (mark, self.position)) for mark in proofs.marks]


def _inserts(statement: Callable[[int], str], values: list[Any], columns: int) -> list[Statement]:
    inserts, start = list[Statement](), 0
    for rows in _sizes(len(values) // columns):
        end = start + rows * columns
        inserts.append((statement(rows), values[start:end]))
        start = end
    return inserts


def _sizes(rows: int) -> Iterator[int]:
    for size in ROWS_AT_ONCE:
        while rows >= size:
            yield size
            rows -= size
    if rows:
        yield rows
