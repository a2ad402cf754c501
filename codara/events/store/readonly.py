"""A log that is only read: without its lock, its writer, or a change to any file."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import orjson

from codara.errors import LogDamaged, NotFound
from codara.events.base import PayloadRef, Recorded, Sealed
from codara.events.gateway import LogOpened
from codara.events.store.keyring import KeyRing
from codara.events.store.mapper import EventMapper
from codara.events.store.payloads import unseal_payload
from codara.events.store.reader import LogReader, connect
from codara.events.store.schema import FIRST, LAST_POSITION

logger = logging.getLogger(__name__)


class ReadOnlyLog:
    """Reads the log of a gateway, running or not; its opener closes it.

    Later reads see what was appended meanwhile.
    """

    def __init__(self, log_id: str, path: Path, keys: KeyRing) -> None:
        """For `open` alone."""
        self.log_id = log_id
        self._path = path
        self._keys = keys
        self._mapper = EventMapper(log_id, keys)
        self._reader = QuietReader(path, self._mapper, _said)

    @classmethod
    async def open(cls, path: Path, keys: KeyRing) -> "ReadOnlyLog":
        """Opens the log at that path; NotFound if there is no file, LogDamaged if it is no log."""
        if not path.is_file():
            raise NotFound(f"There is no log at {path}.")
        return cls(await asyncio.to_thread(_log_id, path), path, keys)

    async def head(self) -> int:
        """Returns the last position that is committed now; 0 for an empty log."""
        return await self._reader.head()

    async def load(self, stream: str, *, since: frozenset[str] = frozenset()) -> list[Recorded]:
        """Returns the stream's events, from the last one named in `since` or else its first."""
        return await self._reader.of_stream(stream, since)

    async def last(self, stream: str) -> Recorded | None:
        """Returns the stream's newest event; None if it has none."""
        return await self._reader.last_of_stream(stream)

    async def read(
        self, after: int, *, limit: int = 500, until: int | None = None, sealed: bool = False
    ) -> list[Recorded]:
        """Returns up to `limit` events behind position `after`, up to and with `until`.

        With `sealed`, private fields stay `Sealed` and no key is touched.
        """
        return await self._reader.by_position(after, limit=limit, until=until, sealed=sealed)

    async def open_payload(self, ref: PayloadRef) -> bytes:
        """Returns the plain bytes; NotFound once its key is destroyed, LogDamaged if altered."""
        key = self._keys.opening_key(ref.key_id)
        if key is None:
            raise NotFound(f"payload {ref.payload_id} was erased with its user's key")
        box = await self._reader.payload(ref)
        return await asyncio.to_thread(unseal_payload, self.log_id, ref, key, box)

    def open_value(self, sealed: Sealed) -> Any:
        """Returns the JSON value inside; None once its key is destroyed."""
        return self._mapper.open_value(sealed)

    async def close(self) -> None:
        """Lets go of the file; harmless when done twice."""
        await self._reader.close()


class QuietReader(LogReader):
    """Reads without making a file.

    SQLite makes two files beside a database in WAL mode, also for readers. While nobody writes
    there is no WAL file; then the log is read as one that does not change
    (https://sqlite.org/uri.html, `immutable`). Once a writer has come, its files are used.
    """

    _still = False

    async def head(self) -> int:
        """Returns the last position that is committed now."""
        return await self._run(self._head)

    def _head(self) -> int:
        rows = self._rows(LAST_POSITION, ())
        return int(rows[0][0]) if rows else 0

    def _connected(self) -> sqlite3.Connection:
        is_written = _wal_of(self._path).exists()
        if self._connection is not None and self._still == is_written:
            self._let_go()
        if self._connection is None:
            self._still = not is_written
            self._connection = _connection(self._path)
        return self._connection


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _connection(path: Path) -> sqlite3.Connection:
    return connect(path, "mode=ro" if _wal_of(path).exists() else "mode=ro&immutable=1")


def _log_id(path: Path) -> str:
    try:
        connection = _connection(path)
        try:
            rows = connection.execute(FIRST).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LogDamaged(f"{path} cannot be read as a log ({error})") from error
    if not rows or rows[0][0] != LogOpened.name:
        raise LogDamaged(f"{path} does not begin with log.opened; it is no log of a gateway")
    return str(orjson.loads(rows[0][1])["data"]["log_id"])


def _said(error: Exception) -> None:
    logger.warning("the log could not be read: %s", error)
