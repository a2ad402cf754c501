"""The checker: reads what is stored as it is, a little at a time, and tells what does not fit."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any

import attrs
import orjson

from codara.events.store import schema, trouble
from codara.events.store.digests import (
    StoredDamage,
    StoredRow,
    damages,
    event_damage,
    leaf_hash,
    payload_damage,
    unreadable_event,
)
from codara.events.store.groups import EventDigest, PartDigest, Proofs
from codara.events.store.reader import LogReader

EVENTS_AT_ONCE = 200
PARTS_AT_ONCE = 200
PARTS_BYTES = 1024 * 1024
"""A read of payloads ends with the row that makes it as large as this."""
DIGESTS_AT_ONCE = 1_000
NOT_FOUND = "it is not found by its stream, because the index of streams is damaged"


@attrs.frozen(kw_only=True)
class Look:
    """What a short read has shown: what is wrong, and the digests of what had none.

    `until` is the position, or the row, up to which it has come; for rows it is 0 at the end.
    """

    until: int
    damages: Sequence[StoredDamage] = ()
    proofs: Proofs = attrs.field(factory=Proofs)


class Checker(LogReader):
    """Reads one log file to check it; the disk's own failures are raised as by any reader."""

    async def standing(self) -> tuple[int, int, frozenset[str]]:
        """Returns the last position, the number of unproven events, and the marks there are."""
        return await self._run(self._standing)

    async def events(self, after: int, until: int) -> Look:
        """Checks up to `EVENTS_AT_ONCE` events behind `after`, up to and with `until`."""
        return await self._run(lambda: self._events(after, min(until, after + EVENTS_AT_ONCE)))

    async def parts(self, after: int) -> Look:
        """Checks up to `PARTS_AT_ONCE` rows of payloads behind that row."""
        return await self._run(lambda: self._parts(after))

    async def lost_parts(self, after: int) -> Look:
        """Looks whether the rows of up to `DIGESTS_AT_ONCE` payload digests are there."""
        return await self._run(lambda: self._lost_parts(after))

    async def rest(self) -> None:
        """Lets go of the file until the next read."""
        await self._run(self._let_go)

    def _standing(self) -> tuple[int, int, frozenset[str]]:
        marks = dict(self._rows(schema.MARKS, ()))
        last = self._rows(schema.LAST_POSITION, ())
        unproven = 0
        if schema.EVENTS_PROVEN not in marks:
            older = marks.get(schema.OLDER, 0)
            unproven = older - self._rows(schema.DIGESTS_UP_TO, (older,))[0][0]
        return (last[0][0] if last else 0), unproven, frozenset(marks)

    def _events(self, after: int, until: int) -> Look:
        rows, end, found = list[StoredRow](), until, list[StoredDamage]()
        try:
            for row in self._cursor(schema.BY_POSITION, (after, until, EVENTS_AT_ONCE)):
                rows.append(row)
        except sqlite3.DatabaseError as error:
            if not trouble.damage(error):
                raise
            end = rows[-1][0] if rows else after
            found.append(unreadable_event(end + 1, error))
        found = [*damages(rows, after, end), *found]
        if not found:
            lost = {row[0] for row in self._rows(schema.NOT_BY_STREAM, (after, end))}
            found = [event_damage(*row[:3], NOT_FOUND) for row in rows if row[0] in lost]
        proofs = list[EventDigest]()
        for row in rows:
            if row[5] is None and row[0] <= row[6]:
                if _is_json(row[4]):
                    proofs.append((row[0], leaf_hash(*row[1:5])))
                else:
                    found.append(event_damage(*row[:3], "it is no event"))
        return Look(
            until=end if end == until else end + 1,
            damages=found,
            proofs=Proofs(events=proofs),
        )

    def _parts(self, after: int) -> Look:
        rows = self._rows_of_parts(after)
        found, proofs = list[StoredDamage](), list[PartDigest]()
        for _, payload_id, part, box, digest, may_lack in rows:
            is_digest = sha256(box).digest() if type(box) is bytes else None
            if digest is None and may_lack and is_digest is not None:
                proofs.append((payload_id, part, is_digest))
            elif digest is None or digest != is_digest:
                what = "lacks its digest" if digest is None else "does not match its digest"
                found.append(self._wrong(payload_id, f"its part {part} {what}"))
        return Look(until=rows[-1][0] if rows else 0, damages=found, proofs=Proofs(parts=proofs))

    def _rows_of_parts(self, after: int) -> list[Any]:
        rows, size = list[Any](), 0
        with closing(self._cursor(schema.STORED_PARTS, (after, PARTS_AT_ONCE))) as cursor:
            for row in cursor:
                rows.append(row)
                size += len(row[3])
                if size >= PARTS_BYTES:
                    break
        return rows

    def _lost_parts(self, after: int) -> Look:
        last = self._rows(schema.LAST_PART_DIGEST, ())[0][0]
        until = after + DIGESTS_AT_ONCE
        lost = self._rows(schema.LOST_PARTS, (after, until))
        found = [
            self._wrong(payload_id, f"its part {part} is missing") for payload_id, part in lost
        ]
        return Look(until=until if until < last else 0, damages=found)

    def _wrong(self, payload_id: str, what: str) -> StoredDamage:
        return payload_damage(payload_id, what, self._event_of(payload_id))


def _is_json(state: object) -> bool:
    try:
        return isinstance(state, bytes) and isinstance(orjson.loads(state), dict)
    except orjson.JSONDecodeError:
        return False
