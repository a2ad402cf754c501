"""The library's SQLite recorder as this log needs it: numbered, inserting in groups."""

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

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

from codara.errors import LogDamaged, VersionClash
from codara.events.store import schema, trouble
from codara.events.store.groups import Batch, Fate, Group, Statement

KNOWN_VERSIONS = 20_000


Row = tuple[Any, ...]
"""Position, stream, version, name and bytes of a stored event."""


class LogConnections(SQLiteConnectionPool):
    """WAL, and a commit is on the disk before it is acknowledged."""

    def connect(self) -> sqlite3.Connection:
        """Returns a connection that the pool knows nothing of."""
        connection = sqlite3.connect(
            self.db_name, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.row_factory = sqlite3.Row
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _create_connection(self) -> SQLiteConnection:
        return SQLiteConnection(self.connect(), self.max_age)


class LogDatastore(SQLiteDatastore):
    """A database file whose streams have text for names."""

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name, originator_id_type="text")
        self.pool.close()
        self.pool: LogConnections = LogConnections(db_name=db_name)
        self._writing: sqlite3.Connection | None = None

    def writing(self) -> sqlite3.Connection:
        """The connection for `insert_groups`: borrowing one for each write takes too long."""
        if self._writing is None:
            self._writing = self.pool.connect()
        return self._writing

    def close(self) -> None:
        super().close()
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def reopen(self) -> None:
        """Lets go of the file; the next connection opens it again."""
        self.close()
        self.pool = LogConnections(db_name=self.pool.db_name)


class LogRecorder(SQLiteApplicationRecorder):
    """Writes the log. Positions are never given out twice; rows are never changed or removed.

    `insert_groups` is for one thread; everything else comes from the library and is for any.
    """

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore) -> None:
        super().__init__(datastore)
        self.insert_events_statement = schema.INSERT
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

    def remember_newest(self) -> None:
        """Notes the last event of a log that was just opened; `reopen` has to find it again."""
        self._newest = self.datastore.writing().execute(schema.NEWEST).fetchone()

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
