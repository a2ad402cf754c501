"""Reading the log: one connection in one thread, rows and events made off the event loop."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from codara.errors import LogDamaged, StorageFailed
from codara.events.base import Recorded
from codara.events.store import trouble
from codara.events.store.mapper import EventMapper

BY_POSITION = """
    SELECT position, originator_id, originator_version, topic, state FROM stored_events
    WHERE position > ? AND position <= ? ORDER BY position LIMIT ?
"""
OF_STREAM = """
    SELECT position, originator_id, originator_version, topic, state FROM stored_events
    WHERE originator_id = ? AND originator_version >= ? ORDER BY originator_version
"""
LAST_OF_STREAM = """
    SELECT position, originator_id, originator_version, topic, state FROM stored_events
    WHERE originator_id = ? ORDER BY originator_version DESC LIMIT 1
"""
LAST_NAMED = """
    SELECT originator_version FROM stored_events
    WHERE originator_id = ? AND topic IN (SELECT value FROM json_each(?))
    ORDER BY originator_version DESC LIMIT 1
"""
PARTS = "SELECT box FROM payloads WHERE payload_id = ? ORDER BY part"
NO_END = 2**63 - 1

T = TypeVar("T")
Row = tuple[int, str, int, str, bytes]
"""Position, stream, version, name and bytes of a stored event."""


class LogReader:
    """Reads one log file, in a thread of its own.

    Every read raises LogDamaged where the file is no log any more, StorageFailed where the disk
    fails; `on_failure` hears of the latter, in that thread.
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
        """Events behind `after`, up to and with `until`, at most `limit`."""
        end = NO_END if until is None else until
        return await self._run(lambda: self._events(BY_POSITION, (after, end, limit), sealed))

    async def of_stream(self, stream: str, since: frozenset[str]) -> list[Recorded]:
        """Returns the stream from its last event named in `since`, or from its first."""
        return await self._run(
            lambda: self._events(OF_STREAM, (stream, self._first(stream, since)))
        )

    async def last_of_stream(self, stream: str) -> Recorded | None:
        found = await self._run(lambda: self._events(LAST_OF_STREAM, (stream,)))
        return found[0] if found else None

    async def payload(self, payload_id: str) -> bytes:
        """Returns the sealed bytes; empty for an empty payload."""
        return await self._run(lambda: self._parts(payload_id))

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
        except sqlite3.DatabaseError as error:
            if trouble.fails(error) and not trouble.damage(error):
                self._let_go()
                self._on_failure(error)
                raise trouble.of_read(error).error() from error
            raise LogDamaged(
                f"the log cannot be read ({error}); check the disk and restore a backup"
            ) from error

    def _rows(self, statement: str, values: Iterable[Any]) -> list[Any]:
        if self._shut:
            raise StorageFailed("the log is being checked; try again in a moment", retry_after=1.0)
        return self._connected().execute(statement, tuple(values)).fetchall()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, "mode=ro")
        return self._connection

    def _events(
        self, statement: str, values: Iterable[Any], sealed: bool = False
    ) -> list[Recorded]:
        return [recorded(self._mapper, row, sealed=sealed) for row in self._rows(statement, values)]

    def _first(self, stream: str, since: frozenset[str]) -> int:
        if not since:
            return 1
        rows = self._rows(LAST_NAMED, (stream, json.dumps(sorted(since))))
        return int(rows[0][0]) if rows else 1

    def _parts(self, payload_id: str) -> bytes:
        return b"".join(row[0] for row in self._rows(PARTS, (payload_id,)))

    def _close(self) -> None:
        self._thread.shutdown(wait=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def connect(path: Path, options: str) -> sqlite3.Connection:
    """Opens a log's file with SQLite's URI options; any one thread at a time may use it."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def recorded(mapper: EventMapper, row: Row, *, sealed: bool) -> Recorded:
    """Returns the event of a row; LogDamaged if its bytes are not what was stored."""
    position, stream, version, topic, state = row
    event, metadata = mapper.to_event(topic, state, sealed=sealed)
    return Recorded(
        position=position, stream=stream, version=version, event=event, metadata=metadata
    )
