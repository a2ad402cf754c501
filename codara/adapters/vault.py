"""The vault: credentials and per-subject data keys in keys.db, wrapped by the master key."""

import asyncio
import hmac
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from codara.adapters.masterkey import parse_master_key, read_or_make
from codara.errors import LogDamaged, MasterKeyInvalid, NotFound, StorageFailed, StorageFull
from codara.events.store import trouble
from codara.events.store.sealing import seal, unseal
from codara.ids import new_id

SCHEMA = """
    CREATE TABLE IF NOT EXISTS roots (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS data_keys (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key_id TEXT NOT NULL UNIQUE,
        subject TEXT NOT NULL,
        wrapped BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS data_keys_by_subject ON data_keys (subject);
    CREATE TABLE IF NOT EXISTS credentials (account_id TEXT PRIMARY KEY, box BLOB NOT NULL);
"""
_FIRST_KEY = "SELECT key_id, wrapped FROM data_keys WHERE subject = ? ORDER BY number LIMIT 1"
HMAC_ROOT = "hmac"
CACHED_KEYS = 20_000
RETRY_SECONDS = 5.0

K = TypeVar("K")
T = TypeVar("T")


class FileVault:
    """Satisfies `KeyRing`, `Vault` and `Keys`. Its methods may be called from any thread.

    Keys that were used lately are held in memory, and credentials too, sealed as on the disk; the
    first use of a new subject writes one row and returns when that is durable.
    """

    def __init__(
        self, file: Path, connection: sqlite3.Connection, master: AESGCM, root: bytes
    ) -> None:
        """For `open` alone."""
        self._file = file
        self._connection = connection
        self._master = master
        self._keyed = HMAC(root, SHA256())
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[str, AESGCM]] = {}
        self._by_id: dict[str, AESGCM] = {}
        self._boxes: dict[str, bytes] = {}
        self._secrets: dict[tuple[str, str], bytes] = {}

    @classmethod
    async def open(cls, data_dir: Path, master_key_text: str | None = None) -> "FileVault":
        """Opens the vault of a data folder, or begins one.

        Without `master_key_text` the key is read from secrets/master.key, which is made at the
        first start. Raises MasterKeyInvalid if the key is no key, or not this vault's;
        LogDamaged if keys.db cannot be read.
        """
        return await asyncio.to_thread(_open, data_dir, master_key_text)

    def sealing_key(self, subject: str) -> tuple[str, AESGCM]:
        """The subject's newest data key; made and durable before it is returned."""
        known = self._newest.get(subject)
        if known is not None:
            return known
        with self._lock, self._disk():
            known = self._read_newest(subject) or self._make_key(subject)
            _keep(self._newest, subject, known)
            return known

    def opening_key(self, key_id: str) -> AESGCM | None:
        """The data key of that id; None once it was destroyed."""
        known = self._by_id.get(key_id)
        if known is not None:
            return known
        with self._lock, self._disk():
            row = self._connection.execute(
                "SELECT wrapped FROM data_keys WHERE key_id = ?", (key_id,)
            ).fetchone()
            if row is None:
                return None
            key = AESGCM(unseal(self._master, row[0], f"data\0{key_id}".encode()))
            _keep(self._by_id, key_id, key)
            return key

    def digest(self, purpose: str, *parts: str) -> str:
        """HMAC-SHA256 under this vault's own key: 64 hexadecimal digits."""
        return self._hmac(purpose, *[part.encode(errors="surrogatepass") for part in parts])

    def secret(self, subject: str, purpose: str) -> bytes:
        """32 bytes that follow from the subject's first data key, which stays when others join."""
        known = self._secrets.get((subject, purpose))
        if known is not None:
            return known
        self.sealing_key(subject)
        with self._lock, self._disk():
            key_id, wrapped = self._connection.execute(_FIRST_KEY, (subject,)).fetchone()
            first = unseal(self._master, wrapped, f"data\0{key_id}".encode())
        made = hmac.digest(first, purpose.encode(), "sha256")
        _keep(self._secrets, (subject, purpose), made)
        return made

    async def ensure(self, subject: str) -> None:
        """Makes the subject's key in a worker thread, so that nobody waits for the disk later."""
        await asyncio.to_thread(self.sealing_key, subject)

    async def destroy(self, subject: str) -> None:
        """Destroys all data keys of the subject: whatever they sealed can never be read again."""
        await asyncio.to_thread(self._destroy, subject)

    async def store(self, account_id: str, credential: bytes) -> str:
        """Keeps the credential in the place of an older one; returns its fingerprint."""
        box = seal(self._master, credential, _place(account_id))
        await asyncio.to_thread(self._store, account_id, box)
        return self.fingerprint(credential)

    def fingerprint(self, credential: bytes) -> str:
        """16 hexadecimal digits; the same credential always has the same."""
        return self._hmac("credential", credential)[:16]

    async def credential(self, account_id: str) -> bytes:
        """The secret; NotFound if there is none."""
        box = self._boxes.get(account_id)
        if box is None:
            box = await asyncio.to_thread(self._read_box, account_id)
        return unseal(self._master, box, _place(account_id))

    async def remove(self, account_id: str) -> None:
        """Forgets the credential; harmless if there is none."""
        await asyncio.to_thread(self._remove, account_id)

    async def close(self) -> None:
        """Lets go of keys.db and of every key."""
        await asyncio.to_thread(self._close)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Says what an error of the disk means; after one that is no lack of room, opens it again.

        StorageFull, StorageFailed.
        """
        try:
            yield
        except sqlite3.Error as error:
            if trouble.no_room(error, self._file.parent):
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

    def _reconnect(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        with suppress(sqlite3.Error):
            self._connection = _connect(self._file)

    def _hmac(self, purpose: str, *parts: bytes) -> str:
        framed = b"".join([len(part).to_bytes(8) + part for part in (purpose.encode(), *parts)])
        keyed = self._keyed.copy()
        keyed.update(framed)
        return keyed.finalize().hex()

    def _read_newest(self, subject: str) -> tuple[str, AESGCM] | None:
        row = self._connection.execute(
            "SELECT key_id, wrapped FROM data_keys WHERE subject = ? ORDER BY number DESC LIMIT 1",
            (subject,),
        ).fetchone()
        if row is None:
            return None
        key_id, wrapped = row
        return key_id, AESGCM(unseal(self._master, wrapped, f"data\0{key_id}".encode()))

    def _make_key(self, subject: str) -> tuple[str, AESGCM]:
        key_id, key = new_id("dk"), AESGCM.generate_key(256)
        wrapped = seal(self._master, key, f"data\0{key_id}".encode())
        self._connection.execute(
            "INSERT INTO data_keys (key_id, subject, wrapped) VALUES (?, ?, ?)",
            (key_id, subject, wrapped),
        )
        return key_id, AESGCM(key)

    def _destroy(self, subject: str) -> None:
        with self._lock, self._disk():
            rows = self._connection.execute(
                "DELETE FROM data_keys WHERE subject = ? RETURNING key_id", (subject,)
            ).fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._newest.pop(subject, None)
            for known in [each for each in self._secrets if each[0] == subject]:
                del self._secrets[known]
            for (key_id,) in rows:
                self._by_id.pop(key_id, None)

    def _read_box(self, account_id: str) -> bytes:
        with self._lock, self._disk():
            row = self._connection.execute(
                "SELECT box FROM credentials WHERE account_id = ?", (account_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"the vault holds no credential for account {account_id}")
            box: bytes = row[0]
            _keep(self._boxes, account_id, box)
            return box

    def _store(self, account_id: str, box: bytes) -> None:
        with self._lock, self._disk():
            self._connection.execute(
                "INSERT INTO credentials VALUES (?, ?)"
                " ON CONFLICT (account_id) DO UPDATE SET box = excluded.box",
                (account_id, box),
            )
            _keep(self._boxes, account_id, box)

    def _remove(self, account_id: str) -> None:
        with self._lock, self._disk():
            self._connection.execute("DELETE FROM credentials WHERE account_id = ?", (account_id,))
            self._boxes.pop(account_id, None)

    def _close(self) -> None:
        with self._lock:
            self._connection.close()
            self._newest.clear()
            self._by_id.clear()
            self._boxes.clear()
            self._secrets.clear()


def _open(data_dir: Path, master_key_text: str | None) -> FileVault:
    data_dir.mkdir(parents=True, exist_ok=True)
    file = data_dir / "keys.db"
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        connection = _connect(file)
    except sqlite3.Error as error:
        raise _damaged(file, error) from error
    try:
        connection.executescript(SCHEMA)
        row = connection.execute("SELECT wrapped FROM roots WHERE name = ?", (HMAC_ROOT,))
        wrapped = row.fetchone()
        master = _master_key(data_dir, master_key_text, is_new=wrapped is None)
        root = _root(connection, master, wrapped[0] if wrapped else None)
        return FileVault(file, connection, master, root)
    except sqlite3.Error as error:
        connection.close()
        raise _damaged(file, error) from error
    except BaseException:
        connection.close()
        raise


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _damaged(file: Path, error: Exception) -> LogDamaged:
    return LogDamaged(
        f"{file} cannot be opened as a vault ({error}); check the disk and restore a backup"
    )


def _master_key(data_dir: Path, text: str | None, *, is_new: bool) -> AESGCM:
    if text is not None:
        return AESGCM(parse_master_key(text, "the master key from the environment"))
    return AESGCM(read_or_make(data_dir / "secrets" / "master.key", may_make=is_new))


def _root(connection: sqlite3.Connection, master: AESGCM, wrapped: bytes | None) -> bytes:
    """The HMAC key; it is also what tells whether the master key is the right one."""
    if wrapped is None:
        root = os.urandom(32)
        connection.execute(
            "INSERT INTO roots VALUES (?, ?)", (HMAC_ROOT, seal(master, root, HMAC_ROOT.encode()))
        )
        return root
    try:
        return unseal(master, wrapped, HMAC_ROOT.encode())
    except LogDamaged as error:
        raise MasterKeyInvalid(
            "the master key is not the one keys.db was sealed with; "
            "start with the former key (secrets/master.key or CODARA_MASTER_KEY)"
        ) from error


def _place(account_id: str) -> bytes:
    """What an account's credential is bound to."""
    return f"credential\0{account_id}".encode()


def _keep(cache: dict[K, T], name: K, value: T) -> None:
    cache[name] = value
    while len(cache) > CACHED_KEYS:
        cache.pop(next(iter(cache)), None)
