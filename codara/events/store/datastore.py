"""The log's database file and the connections to it."""

import sqlite3
from functools import partial

from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteDatastore

as_text = partial(str, encoding="utf-8", errors="replace")
"""Makes text of stored bytes; of damaged ones some text, so that their digest tells of them."""


class LogConnections(SQLiteConnectionPool):
    """WAL, and a commit is on the disk before it is acknowledged."""

    def connect(self) -> sqlite3.Connection:
        """Returns a connection that the pool knows nothing of."""
        connection = sqlite3.connect(
            self.db_name, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.row_factory = sqlite3.Row
        connection.text_factory = as_text
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
