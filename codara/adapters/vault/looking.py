"""Looking into a closed vault: which log it belongs to, and how far it saw that log."""

import sqlite3
from contextlib import closing
from pathlib import Path

import attrs

from codara.adapters.vault.keysfile import HMAC_ROOT, damaged
from codara.events.base import GATEWAY_SUBJECT
from codara.events.store.reader import connect
from codara.events.store.seen import SeenEvent

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_ROOT = "SELECT 1 FROM roots WHERE name = ?"
_SEALED = """
    SELECT EXISTS (SELECT 1 FROM data_keys WHERE subject != ?) OR EXISTS (SELECT 1 FROM credentials)
"""


@attrs.frozen(kw_only=True)
class VaultFound:
    """What a vault says of itself and of its log.

    `log_id` and `seen` are None in the vault of an earlier version, and in one that is just made.
    """

    log_id: str | None = None
    seen: SeenEvent | None = None
    changes: int = 0
    """How often a key or a credential was made, replaced or removed."""
    has_sealed: bool
    """Whether it holds anything but the gateway's own key."""


def look_at_vault(path: Path) -> VaultFound | None:
    """Reads a vault without its master key; makes and changes nothing.

    None if there is no file, or nothing in it. LogDamaged if it is no vault. Blocks.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    wal = path.with_name(f"{path.name}-wal")
    try:
        with closing(connect(path, "mode=ro" if wal.exists() else "mode=ro&immutable=1")) as db:
            return _found(db)
    except sqlite3.Error as error:
        raise damaged(path, error) from error


def _found(db: sqlite3.Connection) -> VaultFound | None:
    tables = {name for (name,) in db.execute(_TABLES)}
    if "roots" not in tables or db.execute(_ROOT, (HMAC_ROOT,)).fetchone() is None:
        return None
    has_sealed = bool(db.execute(_SEALED, (GATEWAY_SUBJECT,)).fetchone()[0])
    if "log_seen" not in tables:
        return VaultFound(has_sealed=has_sealed)
    (changes,) = db.execute("SELECT COALESCE(MAX(number), 0) FROM changes").fetchone()
    row = db.execute("SELECT log_id, position, digest FROM log_seen").fetchone()
    if row is None:
        return VaultFound(changes=changes, has_sealed=has_sealed)
    return VaultFound(
        log_id=row[0], seen=SeenEvent(row[1], row[2]), changes=changes, has_sealed=has_sealed
    )
