"""Reading the log: one connection in one thread, rows and events made off the event loop."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from codara.errors import LogDamaged, StorageFailed
from codara.events.base import PayloadRef, Recorded
from codara.events.store import trouble
from codara.events.store.datastore import as_text
from codara.events.store.digests import (
    StoredDamage,
    StoredRow,
    damage_of,
    damages,
    missing_event,
    payload_damage,
    unreadable_event,
)
from codara.events.store.mapper import EventMapper
from codara.events.store.schema import (
    BY_POSITION,
    EVENT_OF_PAYLOAD,
    HAS_DIGESTS,
    LAST_NAMED,
    LAST_OF_STREAM,
    NO_DIGESTS,
    OF_STREAM,
    PARTS,
)

NO_END = 2**63 - 1
SOUGHT, SOUGHT_AT_ONCE = 10_000, 250
"""Up to this many events are checked to find the one that a stream lacks; and this many at once."""

T = TypeVar("T")
Row = tuple[int, str, int, str, bytes]
"""Position, stream, version, name and bytes of a stored event."""


class LogReader:
    """Reads one log file, in a thread of its own.

    Every event is checked against its digest, every payload against the digest in its event. Every
    read raises LogDamaged where something does not fit or the file is no log any more,
    StorageFailed where the disk fails; `on_failure` hears of both, in that thread.
    """

    def __init__(
        self, path: Path, mapper: EventMapper, on_failure: Callable[[Exception], None]
    ) -> None:
        self._path = path
        self._mapper = mapper
        self._on_failure = on_failure
        self._shut = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log-reader")
        self._connection: sqlite3.Connection | None = None

    async def by_position(
        self, after: int, *, limit: int, until: int | None, sealed: bool
    ) -> list[Recorded]:
        """Returns events behind `after`, up to and with `until`, at most `limit`.

        Those in front of a damaged event are returned without it; it is raised if it is the first.
        """
        end = NO_END if until is None else until
        return await self._run(lambda: self._by_position(max(after, 0), end, limit, sealed))

    async def of_stream(self, stream: str, since: frozenset[str]) -> list[Recorded]:
        """Returns the stream from its last event named in `since`, or from its first."""
        return await self._run(lambda: self._of_stream(stream, self._first(stream, since)))

    async def last_of_stream(self, stream: str) -> Recorded | None:
        return await self._run(lambda: self._last_of_stream(stream))

    async def payload(self, ref: PayloadRef) -> bytes:
        """Returns the sealed bytes, which are those that `ref` stands for."""
        return await self._run(lambda: self._payload(ref))

    async def close(self) -> None:
        """Ends the thread; harmless when done twice."""
        await asyncio.to_thread(self._close)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Closes the file meanwhile; every read in that time gets StorageFailed.

        Call it from another thread; it blocks until the present read has ended.
        """
        self._shut = True
        try:
            self._thread.submit(self._let_go).result()
            yield
        finally:
            self._shut = False

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._told, work)

    def _told(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except StoredDamage as damage:
            self._on_failure(damage)
            raise
        except sqlite3.DatabaseError as error:
            if trouble.fails(error) and not trouble.damage(error):
                self._let_go()
                self._on_failure(error)
                raise trouble.of_read(error).error() from error
            broken = StoredDamage(f"its file cannot be read ({error})")
            self._on_failure(broken)
            raise broken from error

    def _rows(self, statement: str, values: Iterable[Any]) -> list[Any]:
        return self._cursor(statement, values).fetchall()

    def _cursor(self, statement: str, values: Iterable[Any]) -> sqlite3.Cursor:
        if self._shut:
            raise StorageFailed("the log is being checked; try again in a moment", retry_after=1.0)
        return self._connected().execute(statement, tuple(values))

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, "mode=ro")
        return self._connection

    def _stored(self, after: int, until: int, limit: int) -> tuple[list[StoredRow], int]:
        rows: list[StoredRow] = []
        cursor = self._cursor(BY_POSITION, (after, until, limit))
        try:
            for row in cursor:
                rows.append(row)
        except sqlite3.DatabaseError as error:
            last = rows[-1][0] if rows else after
            if not trouble.damage(error):
                raise
            if not rows:
                raise unreadable_event(last + 1, error) from error
            return rows, last
        return rows, rows[-1][0] if len(rows) == limit else until

    def _by_position(self, after: int, end: int, limit: int, sealed: bool) -> list[Recorded]:
        rows, _ = self._stored(after, end, limit)
        found = list[Recorded]()
        for expected, row in enumerate(rows, after + 1):
            try:
                if row[0] != expected:
                    raise missing_event(expected)
                found.append(self._checked(row, sealed=sealed))
            except LogDamaged as damage:
                if not found:
                    raise
                self._tell(damage)
                break
        return found

    def _of_stream(self, stream: str, first: int) -> list[Recorded]:
        rows = self._rows(OF_STREAM, (stream, first))
        found = list[Recorded]()
        for version, row in enumerate(rows, first):
            if row[2] != version:
                raise self._gap(stream, version, found[-1].position if found else 0, row[0])
            found.append(self._checked(row))
        return found

    def _last_of_stream(self, stream: str) -> Recorded | None:
        rows = self._rows(LAST_OF_STREAM, (stream,))
        return self._checked(rows[0]) if rows else None

    def _checked(self, row: StoredRow, *, sealed: bool = False) -> Recorded:
        if damage := damage_of(row):
            raise damage
        return recorded(self._mapper, row[:5], sealed=sealed)

    def _gap(self, stream: str, version: int, after: int, before: int) -> StoredDamage:
        """Looks for the damaged event that makes a stream lack a version between two positions."""
        for start in range(after, min(before - 1, after + SOUGHT), SOUGHT_AT_ONCE):
            rows, until = self._stored(start, min(before - 1, start + SOUGHT_AT_ONCE), NO_END)
            for damage in damages(rows, start, until):
                return damage
        between = f"between positions {after:,} and {before:,}"
        return StoredDamage(f"version {version} of {stream}, {between}, is missing")

    def _payload(self, ref: PayloadRef) -> bytes:
        boxes = [row[0] for row in self._rows(PARTS, (ref.payload_id,))]
        if all(type(box) is bytes for box in boxes):
            whole = b"".join(boxes)
            if sha256(whole).hexdigest() == ref.digest:
                return whole
        raise payload_damage(
            ref.payload_id, "it is missing or not what was written", self._event_of(ref.payload_id)
        )

    def _event_of(self, payload_id: str) -> tuple[int, str, int] | None:
        rows = self._rows(EVENT_OF_PAYLOAD, (payload_id,))
        return rows[0] if rows else None

    def _tell(self, damage: LogDamaged) -> None:
        """What the next read is going to raise need not wait for it."""
        if isinstance(damage, StoredDamage):
            self._on_failure(damage)

    def _first(self, stream: str, since: frozenset[str]) -> int:
        if not since:
            return 1
        rows = self._rows(LAST_NAMED, (stream, json.dumps(sorted(since))))
        return int(rows[0][0]) if rows else 1

    def _close(self) -> None:
        self._thread.shutdown(wait=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def connect(path: Path, options: str) -> sqlite3.Connection:
    """Opens a log's file with SQLite's URI options; any one thread at a time may use it.

    Bytes that are not UTF-8 come as U+FFFD in a text. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = as_text
    try:
        if not connection.execute(HAS_DIGESTS).fetchall():
            for statement in NO_DIGESTS:
                connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def recorded(mapper: EventMapper, row: Row, *, sealed: bool) -> Recorded:
    """Returns the event of a row; LogDamaged, with its position, if nothing can be made of it."""
    position, stream, version, topic, state = row
    try:
        event, metadata = mapper.to_event(topic, state, sealed=sealed)
    except LogDamaged as error:
        place = f"position {position:,} ({stream}, version {version})"
        raise LogDamaged(f"{place}: {error.message}") from error
    return Recorded(
        position=position, stream=stream, version=version, event=event, metadata=metadata
    )
