"""Groups: what is written together, and the statements that write several at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from eventsourcing.persistence import StoredEvent

from codara.errors import VersionClash
from codara.events.store import schema

ROWS_AT_ONCE = (256, 64, 16)
"""The numbers of events that a statement takes; the rest goes into one of its own length."""


@attrs.frozen
class PayloadPart:
    """One row of a payload; its parts in order are the sealed bytes."""

    payload_id: str
    part: int
    box: bytes


@attrs.define(eq=False)
class Group:
    """What is written together or not at all. A group without events writes its parts alone.

    `builds_on` are groups decided before it that were not written yet: it fails with any of them,
    also where its versions follow on by chance.
    """

    events: Sequence[StoredEvent]
    parts: Sequence[PayloadPart] = ()
    builds_on: Sequence["Group"] = ()
    failed: bool = False


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

    def add(self, group: Group) -> None:
        """The group's events follow on from those that are here."""
        for stored in group.events:
            self.position += 1
            self.values += (
                self.position,
                stored.originator_id,
                stored.originator_version,
                stored.topic,
                stored.state,
            )
        for part in group.parts:
            self.parts.append((schema.INSERT_PART, (part.payload_id, part.part, part.box)))
        self.fates.append(self.position if group.events else 0)

    def statements(self) -> list[Statement]:
        """As few as can be: the interpreter's lock is given away once for each."""
        inserts, start = list[Statement](), 0
        for rows in _sizes(len(self.values) // schema.COLUMNS):
            end = start + rows * schema.COLUMNS
            inserts.append((schema.insert_at(rows), self.values[start:end]))
            start = end
        return inserts + self.parts


def _sizes(rows: int) -> Iterator[int]:
    for size in ROWS_AT_ONCE:
        while rows >= size:
            yield size
            rows -= size
    if rows:
        yield rows
