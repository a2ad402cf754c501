"""keys.db: the vault's file, opened with its master key, and what an error of its disk means."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.adapters.masterkey import parse_master_key, read_or_make
from codara.errors import LogDamaged, MasterKeyInvalid, StorageFailed, StorageFull
from codara.events.store import trouble
from codara.events.store.sealing import seal, unseal

SCHEMA = """
    CREATE TABLE IF NOT EXISTS roots (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS data_keys (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id TEXT NOT NULL UNIQUE,
        subject TEXT NOT NULL,
        wrapped BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS data_keys_by_subject ON data_keys (subject);
    CREATE TABLE IF NOT EXISTS credentials (account_id TEXT PRIMARY KEY, box BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS log_seen (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        log_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        digest BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS changes (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL);
    INSERT OR IGNORE INTO changes VALUES (1, 0);
    CREATE TRIGGER IF NOT EXISTS data_keys_insert_counts AFTER INSERT ON data_keys
    BEGIN UPDATE changes SET number = number + 1; END;
    CREATE TRIGGER IF NOT EXISTS data_keys_update_counts AFTER UPDATE ON data_keys
    BEGIN UPDATE changes SET number = number + 1; END;
    CREATE TRIGGER IF NOT EXISTS data_keys_delete_counts AFTER DELETE ON data_keys
    BEGIN UPDATE changes SET number = number + 1; END;
    CREATE TRIGGER IF NOT EXISTS credentials_insert_counts AFTER INSERT ON credentials
    BEGIN UPDATE changes SET number = number + 1; END;
    CREATE TRIGGER IF NOT EXISTS credentials_update_counts AFTER UPDATE ON credentials
    BEGIN UPDATE changes SET number = number + 1; END;
    CREATE TRIGGER IF NOT EXISTS credentials_delete_counts AFTER DELETE ON credentials
    BEGIN UPDATE changes SET number = number + 1; END;
"""
HMAC_ROOT = "hmac"
RETRY_SECONDS = 5.0


class KeysFile:
    """The open file; one thread at a time uses it."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, master: AESGCM, root: bytes
    ) -> None:
        """For `open` alone."""
        self.master = master
        self.root = root
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, data_dir: Path, master_key_text: str | None) -> "KeysFile":
        """Opens the file of a data folder, or begins one. Blocks.

        Raises MasterKeyInvalid if the key is no key, or not this file's; LogDamaged if the file
        cannot be read.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        path = data_dir / "keys.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            connection = _connect(path)
        except sqlite3.Error as error:
            raise damaged(path, error) from error
        try:
            connection.executescript(SCHEMA)
            row = connection.execute("SELECT wrapped FROM roots WHERE name = ?", (HMAC_ROOT,))
            wrapped = row.fetchone()
            master = _master_key(data_dir, master_key_text, is_new=wrapped is None)
            return cls(path, connection, master, _root(connection, master, wrapped))
        except sqlite3.Error as error:
            connection.close()
            raise damaged(path, error) from error
        except BaseException:
            connection.close()
            raise

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """Lends the connection for the length of the block.

        StorageFull where the disk has no room. StorageFailed for any other error of the disk; the
        file has been opened again then.
        """
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                if trouble.no_room(error, self._path.parent):
                    raise StorageFull(
                        f"keys.db takes no writes ({error}); make room on its disk, "
                        "writes come back by themselves"
                    ) from error
                self._reconnect()
                raise StorageFailed(
                    f"keys.db cannot be used although its disk has room ({error}); try again, and"
                    " check the disk if it stays so",
                    retry_after=RETRY_SECONDS,
                ) from error

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._connection.close()

    def _reconnect(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        with suppress(sqlite3.Error):
            self._connection = _connect(self._path)


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def damaged(file: Path, error: Exception) -> LogDamaged:
    """Returns the error for a file that SQLite cannot read as a vault."""
    return LogDamaged(
        f"{file} cannot be opened as a vault ({error}); check the disk and restore a backup"
    )


def _master_key(data_dir: Path, text: str | None, *, is_new: bool) -> AESGCM:
    if text is not None:
        return AESGCM(parse_master_key(text, "the master key from the environment"))
    return AESGCM(read_or_make(data_dir / "secrets" / "master.key", may_make=is_new))


def _root(connection: sqlite3.Connection, master: AESGCM, wrapped: tuple[bytes] | None) -> bytes:
    """The HMAC key; it is also what tells whether the master key is the right one."""
    if wrapped is None:
        root = os.urandom(32)
        connection.execute(
            "INSERT INTO roots VALUES (?, ?)", (HMAC_ROOT, seal(master, root, HMAC_ROOT.encode()))
        )
        return root
    try:
        return unseal(master, wrapped[0], HMAC_ROOT.encode())
    except LogDamaged as error:
        raise MasterKeyInvalid(
            "the master key is not the one keys.db was sealed with; "
            "start with the former key (secrets/master.key or CODARA_MASTER_KEY)"
        ) from error
