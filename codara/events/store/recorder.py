"""The library's SQLite recorder as this log needs it: numbered, inserting in groups."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from eventsourcing.persistence import (
    ListenNotifySubscription,
    Notification,
    StoredEvent,
    Subscription,
)
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteCursor

from codara.errors import LogDamaged, VersionClash
from codara.events.store import schema, trouble
from codara.events.store.datastore import LogDatastore
from codara.events.store.digests import StoredDamage, damages
from codara.events.store.groups import Batch, Fate, Group, Statement

KNOWN_VERSIONS = 20_000
TAIL_EVENTS = 1_000
"""Checked at each start in some milliseconds."""


Row = tuple[Any, ...]
"""Position, stream, version, name and bytes of a stored event."""


class LogRecorder(SQLiteApplicationRecorder):
    """Writes the log. Positions are never given out twice; rows are never changed or removed.

    `insert_groups` is for one thread; everything else comes from the library and is for any.
    """

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore) -> None:
        super().__init__(datastore)
        self._position: int | None = None
        self._versions: dict[str, int] = {}
        self._newest: Row | None = None
        self._listeners: set[threading.Event] = set()

    def construct_create_table_statements(self) -> list[str]:
        return list(schema.TABLES)

    def insert_groups(self, groups: Sequence[Group]) -> list[Fate]:
        """One transaction for all groups whose versions follow on; the others clash alone.

        Returns when it is durable. On any error nothing of it is.
        """
        database = self.datastore.writing()
        try:
            batch = self._written(database, groups)
        except sqlite3.IntegrityError:
            self._forget()
            batch = self._written(database, groups)
        self._remember(batch)
        self._notify()
        return batch.fates

    def damage_at_the_ends(self) -> StoredDamage | None:
        """Checks the first event and the last `TAIL_EVENTS`; returns the first thing wrong."""
        database = self.datastore.writing()
        last = self._last_position(database)
        tail = max(0, last - TAIL_EVENTS)
        for after, until in ((0, min(1, tail)), (tail, last)):
            for damage in _damages(database, after, until):
                return damage
        return None

    def remember_newest(self) -> None:
        """Notes the last event of a log that was just opened; `reopen` has to find it again."""
        self._newest = self.datastore.writing().execute(schema.NEWEST).fetchone()

    def newest(self) -> Row:
        """Returns the last event that is durable; of a log that has one, from any thread."""
        if self._newest is None:
            raise LogDamaged("the log has no event")
        return self._newest

    def reopen(self) -> int:
        """Opens the file again, checks it and returns the last position.

        LogDamaged if a page is broken, a table or the newest event not there; sqlite3.Error if the
        file cannot be opened or read. Blocks: some seconds for each gigabyte.
        """
        self.datastore.reopen()
        self._forget()
        try:
            database = self.datastore.writing()
            self._check(database)
            return self._last_position(database)
        except sqlite3.DatabaseError as error:
            if trouble.damage(error) or trouble.code_of(error) == sqlite3.SQLITE_ERROR:
                raise LogDamaged(f"its file is damaged ({error})") from error
            raise

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

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any
    ) -> Sequence[int]:
        c.execute(schema.LAST_POSITION)
        row = c.fetchone()
        batch = Batch(row[0] if row else 0)
        first = batch.position + 1
        batch.add(Group(stored_events))
        for statement in batch.statements():
            c.execute(*statement)
        return list(range(first, batch.position + 1))

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription["LogRecorder"]:
        """Returns every event after position `gt`, then those that come; without gaps."""
        return LogSubscription(self, gt, topics)

    def listen(self, event: threading.Event) -> None:
        self._listeners.add(event)

    def unlisten(self, event: threading.Event) -> None:
        self._listeners.discard(event)

    def _check(self, database: sqlite3.Connection) -> None:
        (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise LogDamaged(f"its file is damaged ({said})")
        if self._newest is None:
            return
        position = self._newest[0]
        found = database.execute(schema.AT_POSITION, (position,)).fetchone()
        if found is None or tuple(found) != tuple(self._newest):
            raise LogDamaged(f"the event at position {position:,}, which was written, is not there")

    def _written(self, database: sqlite3.Connection, groups: Sequence[Group]) -> Batch:
        """Decided on what is known of the log; what is no longer so, its constraints refuse."""
        batch = Batch(self._last_position(database))
        for group in groups:
            clash = self._clash(database, group, batch.versions)
            group.failed = clash is not None
            if clash is None:
                batch.add(group)
            else:
                batch.fates.append(clash)
        _execute(database, batch.statements())
        return batch

    def _clash(
        self, database: sqlite3.Connection, group: Group, versions: dict[str, int]
    ) -> VersionClash | None:
        if any(earlier.failed for earlier in group.builds_on):
            return VersionClash(str(group.events[0].originator_id))
        return self._follow_on(database, group.events, versions)

    def _follow_on(
        self, database: sqlite3.Connection, events: Sequence[StoredEvent], versions: dict[str, int]
    ) -> VersionClash | None:
        """Raises `versions` by the events of one group, unless one of them is out of turn."""
        raised: dict[str, int] = {}
        for stored in events:
            stream = str(stored.originator_id)
            version = raised.get(stream) or versions.get(stream) or self._version(database, stream)
            if stored.originator_version != version + 1:
                return VersionClash(stream)
            raised[stream] = version + 1
        versions.update(raised)
        return None

    def _version(self, database: sqlite3.Connection, stream: str) -> int:
        known = self._versions.get(stream)
        if known is not None:
            return known
        version: int | None = database.execute(schema.LAST_VERSION, (stream,)).fetchone()[0]
        return version or 0

    def _last_position(self, database: sqlite3.Connection) -> int:
        if self._position is None:
            row = database.execute(schema.LAST_POSITION).fetchone()
            self._position = row[0] if row else 0
        return self._position

    def _forget(self) -> None:
        self._position = None
        self._versions.clear()

    def _remember(self, batch: Batch) -> None:
        self._position = batch.position
        if batch.values:
            self._newest = tuple(batch.values[-schema.COLUMNS :])
        for stream, version in batch.versions.items():
            self._versions.pop(stream, None)
            self._versions[stream] = version
        while len(self._versions) > KNOWN_VERSIONS:
            del self._versions[next(iter(self._versions))]

    def _notify(self) -> None:
        for event in tuple(self._listeners):
            event.set()


def _damages(database: sqlite3.Connection, after: int, until: int) -> Iterator[StoredDamage]:
    try:
        rows = database.execute(schema.BY_POSITION, (after, until, TAIL_EVENTS)).fetchall()
    except sqlite3.DatabaseError as error:
        if not trouble.damage(error):
            raise
        yield StoredDamage(f"not all events behind position {after:,} can be read ({error})")
    else:
        yield from damages([tuple(row) for row in rows], after, until)


def _execute(database: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """All or nothing. One statement is a transaction by itself, and none needs none."""
    if len(statements) < 2:
        for statement in statements:
            database.execute(*statement)
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            database.execute(*statement)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


class LogSubscription(ListenNotifySubscription[LogRecorder]):
    """A thread that pulls whenever the recorder has written."""

    def __init__(self, recorder: LogRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        recorder.listen(self._has_been_notified)

    def stop(self) -> None:
        super().stop()
        self._recorder.unlisten(self._has_been_notified)
