"""The library's SQLite recorder as this log needs it: numbered, inserting in groups."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
from eventsourcing.persistence import (
    ListenNotifySubscription,
    Notification,
    StoredEvent,
    Subscription,
)
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteDatastore,
)

from codara.errors import VersionClash
from codara.events import schema

KNOWN_VERSIONS = 20_000
ROWS_AT_ONCE = (256, 64, 16, 4, 1)


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


class LogConnections(SQLiteConnectionPool):
    """WAL, and a commit is on the disk before it is acknowledged."""

    def _create_connection(self) -> SQLiteConnection:
        connection = sqlite3.connect(
            self.db_name, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return SQLiteConnection(connection, self.max_age)


class LogDatastore(SQLiteDatastore):
    """A database file whose streams have text for names."""

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name, originator_id_type="text")
        self.pool.close()
        self.pool = LogConnections(db_name=db_name)


class LogRecorder(SQLiteApplicationRecorder):
    """Writes the log. Positions are never given out twice; rows are never changed or removed.

    `insert_groups` is for one thread; everything else comes from the library and is for any.
    """

    def __init__(self, datastore: SQLiteDatastore) -> None:
        super().__init__(datastore)
        self.insert_events_statement = schema.INSERT
        self._versions: dict[str, int] = {}
        self._listeners: set[threading.Event] = set()

    def construct_create_table_statements(self) -> list[str]:
        return list(schema.TABLES)

    def insert_groups(self, groups: Sequence[Group]) -> list[Fate]:
        """One transaction for all groups whose versions follow on; the others clash alone.

        Returns when it is durable. On any error nothing of it is.
        """
        try:
            fates, versions = self._try_groups(groups)
        except sqlite3.IntegrityError:
            self._versions.clear()
            fates, versions = self._try_groups(groups)
        self._remember(versions)
        self._notify()
        return fates

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        positions = super().insert_events(stored_events, **kwargs)
        self._notify()
        return positions

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 0 if start is None else start if inclusive_of_start else start + 1
        statement = "SELECT * FROM stored_events WHERE position >= ? "
        params: list[int | str] = [first]
        if stop is not None:
            statement += "AND position <= ? "
            params.append(stop)
        if topics:
            statement += f"AND topic IN ({','.join('?' * len(topics))}) "
            params += topics
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement + "ORDER BY position LIMIT ?", [*params, limit])
            return [
                Notification(
                    id=row["position"],
                    originator_id=row["originator_id"],
                    originator_version=row["originator_version"],
                    topic=row["topic"],
                    state=row["state"],
                )
                for row in cursor.fetchall()
            ]

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription["LogRecorder"]:
        """Every event after position `gt`, then those that come; without gaps."""
        return LogSubscription(self, gt, topics)

    def listen(self, event: threading.Event) -> None:
        self._listeners.add(event)

    def unlisten(self, event: threading.Event) -> None:
        self._listeners.discard(event)

    def _try_groups(self, groups: Sequence[Group]) -> tuple[list[Fate], dict[str, int]]:
        with self._transaction() as cursor:
            row = cursor.execute(schema.LAST_POSITION).fetchone()
            position = row[0] if row else 0
            versions: dict[str, int] = {}
            fates: list[Fate] = []
            values: list[Any] = []
            for group in groups:
                clash = self._clash(cursor, group, versions)
                group.failed = clash is not None
                if clash is not None:
                    fates.append(clash)
                    continue
                for stored in group.events:
                    position += 1
                    values += (
                        position,
                        stored.originator_id,
                        stored.originator_version,
                        stored.topic,
                        stored.state,
                    )
                for part in group.parts:
                    cursor.execute(schema.INSERT_PART, (part.payload_id, part.part, part.box))
                fates.append(position if group.events else 0)
            _insert(cursor, values)
        return fates, versions

    def _clash(
        self, cursor: sqlite3.Cursor, group: Group, versions: dict[str, int]
    ) -> VersionClash | None:
        if any(earlier.failed for earlier in group.builds_on):
            return VersionClash(str(group.events[0].originator_id))
        return self._follow_on(cursor, group.events, versions)

    def _follow_on(
        self, cursor: sqlite3.Cursor, events: Sequence[StoredEvent], versions: dict[str, int]
    ) -> VersionClash | None:
        """Raises `versions` by the events of one group, unless one of them is out of turn."""
        raised: dict[str, int] = {}
        for stored in events:
            stream = str(stored.originator_id)
            version = raised.get(stream) or versions.get(stream) or self._version(cursor, stream)
            if stored.originator_version != version + 1:
                return VersionClash(stream)
            raised[stream] = version + 1
        versions.update(raised)
        return None

    def _version(self, cursor: sqlite3.Cursor, stream: str) -> int:
        known = self._versions.get(stream)
        if known is not None:
            return known
        version: int | None = cursor.execute(schema.LAST_VERSION, (stream,)).fetchone()[0]
        return version or 0

    def _remember(self, versions: dict[str, int]) -> None:
        for stream, version in versions.items():
            self._versions.pop(stream, None)
            self._versions[stream] = version
        while len(self._versions) > KNOWN_VERSIONS:
            del self._versions[next(iter(self._versions))]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with (
            self.datastore.get_connection(commit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                if cursor.connection.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def _notify(self) -> None:
        for event in tuple(self._listeners):
            event.set()


def _insert(cursor: sqlite3.Cursor, values: list[Any]) -> None:
    """Many rows a statement: the interpreter's lock is given away once for all of them."""
    start = 0
    for rows in ROWS_AT_ONCE:
        width = rows * schema.COLUMNS
        statement = schema.insert_at(rows)
        while start + width <= len(values):
            cursor.execute(statement, values[start : start + width])
            start += width


class LogSubscription(ListenNotifySubscription[LogRecorder]):
    """A thread that pulls whenever the recorder has written."""

    def __init__(self, recorder: LogRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        recorder.listen(self._has_been_notified)

    def stop(self) -> None:
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
