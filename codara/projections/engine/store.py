"""One read model's file: rows and the position they stand for, always of the same moment."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import attrs

from codara.events.base import Recorded
from codara.projections.engine.base import Projection, Statement, Value

_PROGRESS = """
CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1), log_id TEXT NOT NULL, schema TEXT NOT NULL,
    position INTEGER NOT NULL, event_id TEXT NOT NULL
) STRICT;
"""


@attrs.frozen
class Progress:
    """How far a file has come, in which log, folded into which schema."""

    log_id: str
    schema: str
    position: int
    event_id: str


class Store:
    """The writing end of a read model's file: every call blocks, one thread at a time has it."""

    def __init__(self, projection: Projection, path: Path, db: sqlite3.Connection) -> None:
        self.projection = projection
        self.path = path
        self.progress = _progress(db)
        self._db = db

    @classmethod
    def create(
        cls, projection: Projection, path: Path, log_id: str, *, fast: bool = False
    ) -> "Store":
        """Returns a new, empty file. `fast`: nothing is synced until `settle`."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = _connect(path)
        db.execute(f"PRAGMA synchronous={'OFF' if fast else 'NORMAL'}")
        db.executescript(f"BEGIN; {_PROGRESS} {projection.schema} COMMIT;")
        db.execute(
            "INSERT INTO progress VALUES (1, ?, ?, 0, '')", (log_id, _schema_digest(projection))
        )
        return cls(projection, path, db)

    @classmethod
    def open(cls, projection: Projection, path: Path) -> "Store":
        """An existing file; sqlite3.Error if it is missing, damaged or of another schema."""
        if not path.is_file():
            raise sqlite3.DatabaseError("it is missing")
        db = _connect(path)
        try:
            db.execute("PRAGMA synchronous=NORMAL")
            _check(db, projection)
            return cls(projection, path, db)
        except BaseException:
            db.close()
            raise

    @property
    def position(self) -> int:
        """The last position that was folded."""
        return self.progress.position

    def fold(self, after: int, batch: Sequence[Recorded]) -> None:
        """Folds what lies behind `position`; rows and the new position commit together or not.

        `batch` is everything the log holds behind `after`, up to its own last event. A batch that
        begins too late is left alone: no event is ever skipped.
        """
        if after > self.position:
            return
        fresh = [recorded for recorded in batch if recorded.position > self.position]
        if not fresh:
            return
        moved_to = attrs.evolve(
            self.progress,
            position=fresh[-1].position,
            event_id=fresh[-1].metadata.event_id,
        )
        with self._transaction():
            self._run(self._statements(fresh))
            moved = self._db.execute(
                "UPDATE progress SET position = ?, event_id = ? WHERE position = ?",
                (moved_to.position, moved_to.event_id, self.position),
            )
            if moved.rowcount != 1:
                raise RuntimeError(f"somebody else writes {self.path}")
        self.progress = moved_to

    def settle(self) -> None:
        """Makes a file that was built `fast` as durable as any other."""
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        self._db.close()

    def _run(self, statements: Iterable[Statement]) -> None:
        """In their order, for they may touch the same row; equal neighbours in one call."""
        cursor, sql = self._db.cursor(), ""
        rows: list[Sequence[Value]] = []
        for wanted, row in statements:
            if wanted is not sql:
                _execute(cursor, sql, rows)
                sql, rows = wanted, []
            rows.append(row)
        _execute(cursor, sql, rows)

    def _statements(self, batch: Sequence[Recorded]) -> Iterator[Statement]:
        topics, apply = self.projection.topics, self.projection.apply
        for recorded in batch:
            if recorded.event.name in topics:
                yield from apply(recorded)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _execute(cursor: sqlite3.Cursor, sql: str, rows: Sequence[Sequence[Value]]) -> None:
    if len(rows) == 1:
        cursor.execute(sql, rows[0])
    elif rows:
        cursor.executemany(sql, rows)


def digest(path: Path) -> str:
    """SHA-256 of all rows of a read model's file, in the order of their keys, and of its position.

    Two files folded from the same events have the same digest, however they came about.
    """
    total = hashlib.sha256()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        for (table,) in _tables(db):
            total.update(f"{table}\n".encode())
            for row in db.execute(f"SELECT * FROM {table} ORDER BY 1"):  # noqa: S608
                total.update(repr(row).encode())
    return total.hexdigest()


def _tables(db: sqlite3.Connection) -> list[tuple[str]]:
    return db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA cache_size=-1024")
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, projection: Projection) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("it is damaged")
    if _progress(db).schema != _schema_digest(projection):
        raise sqlite3.DatabaseError("it has another schema")


def _progress(db: sqlite3.Connection) -> Progress:
    row = db.execute("SELECT log_id, schema, position, event_id FROM progress").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("the file does not say how far it has come")
    return Progress(*row)


def _schema_digest(projection: Projection) -> str:
    return hashlib.sha256(projection.schema.encode()).hexdigest()
