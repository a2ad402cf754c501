"""The vault: credentials and per-subject data keys in keys.db, wrapped by the master key."""

import asyncio
import hmac
import sqlite3
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from codara.adapters.vault.keysfile import KeysFile
from codara.errors import NotFound
from codara.events.store.sealing import seal, unseal
from codara.events.store.seen import SeenEvent
from codara.ids import new_id

_FIRST_KEY = "SELECT key_id, wrapped FROM data_keys WHERE subject = ? ORDER BY number LIMIT 1"
CACHED_KEYS = 20_000

K = TypeVar("K")
T = TypeVar("T")


class FileVault:
    """Satisfies `KeyRing`, `Vault` and `Keys`. Its methods may be called from any thread.

    Keys that were used lately are held in memory, and credentials too, sealed as on the disk; the
    first use of a new subject writes one row and returns when that is durable.
    """

    def __init__(self, file: KeysFile) -> None:
        """For `open` alone."""
        self._file = file
        self._keyed = HMAC(file.root, SHA256())
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
        return cls(await asyncio.to_thread(KeysFile.open, data_dir, master_key_text))

    def sealing_key(self, subject: str) -> tuple[str, AESGCM]:
        """Returns the subject's newest data key; made and durable before it is returned."""
        known = self._newest.get(subject)
        if known is not None:
            return known
        with self._file.using() as db:
            known = self._read_newest(db, subject) or self._make_key(db, subject)
            _keep(self._newest, subject, known)
            return known

    def opening_key(self, key_id: str) -> AESGCM | None:
        """Returns the data key of that id; None once it was destroyed."""
        known = self._by_id.get(key_id)
        if known is not None:
            return known
        with self._file.using() as db:
            row = db.execute("SELECT wrapped FROM data_keys WHERE key_id = ?", (key_id,)).fetchone()
            if row is None:
                return None
            key = AESGCM(unseal(self._file.master, row[0], f"data\0{key_id}".encode()))
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
        with self._file.using() as db:
            key_id, wrapped = db.execute(_FIRST_KEY, (subject,)).fetchone()
            first = unseal(self._file.master, wrapped, f"data\0{key_id}".encode())
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
        box = seal(self._file.master, credential, _place(account_id))
        await asyncio.to_thread(self._store, account_id, box)
        return self.fingerprint(credential)

    def fingerprint(self, credential: bytes) -> str:
        """16 hexadecimal digits; the same credential always has the same."""
        return self._hmac("credential", credential)[:16]

    async def credential(self, account_id: str) -> bytes:
        """Returns the secret; NotFound if it is missing."""
        box = self._boxes.get(account_id)
        if box is None:
            box = await asyncio.to_thread(self._read_box, account_id)
        return unseal(self._file.master, box, _place(account_id))

    async def remove(self, account_id: str) -> None:
        """Forgets the credential; does nothing if it is missing."""
        await asyncio.to_thread(self._remove, account_id)

    async def changes(self) -> int:
        """Returns how often a key or a credential was made, replaced or removed so far."""
        return await asyncio.to_thread(self._changes)

    async def note(self, log_id: str, seen: SeenEvent) -> None:
        """Keeps which log belongs to this vault, and how far it has come."""
        await asyncio.to_thread(self._note, log_id, seen)

    async def close(self) -> None:
        """Lets go of keys.db and of every key."""
        await asyncio.to_thread(self._close)

    def _hmac(self, purpose: str, *parts: bytes) -> str:
        framed = b"".join([len(part).to_bytes(8) + part for part in (purpose.encode(), *parts)])
        keyed = self._keyed.copy()
        keyed.update(framed)
        return keyed.finalize().hex()

    def _read_newest(self, db: sqlite3.Connection, subject: str) -> tuple[str, AESGCM] | None:
        row = db.execute(
            "SELECT key_id, wrapped FROM data_keys WHERE subject = ? ORDER BY number DESC LIMIT 1",
            (subject,),
        ).fetchone()
        if row is None:
            return None
        key_id, wrapped = row
        return key_id, AESGCM(unseal(self._file.master, wrapped, f"data\0{key_id}".encode()))

    def _make_key(self, db: sqlite3.Connection, subject: str) -> tuple[str, AESGCM]:
        key_id, key = new_id("dk"), AESGCM.generate_key(256)
        wrapped = seal(self._file.master, key, f"data\0{key_id}".encode())
        db.execute(
            "INSERT INTO data_keys (key_id, subject, wrapped) VALUES (?, ?, ?)",
            (key_id, subject, wrapped),
        )
        return key_id, AESGCM(key)

    def _destroy(self, subject: str) -> None:
        with self._file.using() as db:
            rows = db.execute(
                "DELETE FROM data_keys WHERE subject = ? RETURNING key_id", (subject,)
            ).fetchall()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._newest.pop(subject, None)
            for known in [each for each in self._secrets if each[0] == subject]:
                del self._secrets[known]
            for (key_id,) in rows:
                self._by_id.pop(key_id, None)

    def _read_box(self, account_id: str) -> bytes:
        with self._file.using() as db:
            row = db.execute(
                "SELECT box FROM credentials WHERE account_id = ?", (account_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"the vault holds no credential for account {account_id}")
            box: bytes = row[0]
            _keep(self._boxes, account_id, box)
            return box

    def _store(self, account_id: str, box: bytes) -> None:
        with self._file.using() as db:
            db.execute(
                "INSERT INTO credentials VALUES (?, ?)"
                " ON CONFLICT (account_id) DO UPDATE SET box = excluded.box",
                (account_id, box),
            )
            _keep(self._boxes, account_id, box)

    def _remove(self, account_id: str) -> None:
        with self._file.using() as db:
            db.execute("DELETE FROM credentials WHERE account_id = ?", (account_id,))
            self._boxes.pop(account_id, None)

    def _changes(self) -> int:
        with self._file.using() as db:
            return int(db.execute("SELECT number FROM changes").fetchone()[0])

    def _note(self, log_id: str, seen: SeenEvent) -> None:
        """In the file itself at once: its write-ahead file may be deleted with that of the log."""
        with self._file.using() as db:
            db.execute(
                "INSERT OR REPLACE INTO log_seen VALUES (1, ?, ?, ?)",
                (log_id, seen.position, seen.digest),
            )
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _close(self) -> None:
        self._file.close()
        self._newest.clear()
        self._by_id.clear()
        self._boxes.clear()
        self._secrets.clear()


def _place(account_id: str) -> bytes:
    """What an account's credential is bound to."""
    return f"credential\0{account_id}".encode()


def _keep(cache: dict[K, T], name: K, value: T) -> None:
    cache[name] = value
    while len(cache) > CACHED_KEYS:
        cache.pop(next(iter(cache)), None)
