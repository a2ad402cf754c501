"""How far a log has come: its last event as a position and a digest, also without opening it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import orjson

from codara.errors import LogDamaged
from codara.events.gateway import LogOpened, LogVaultNoted
from codara.events.store.digests import leaf_hash
from codara.events.store.reader import connect
from codara.events.store.schema import AT_POSITION, FIRST, LAST_POSITION
from codara.events.streams import LOG

_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = ?"
_DIGEST = "SELECT hash FROM event_digests WHERE position = ?"
_VAULT_NOTED = """
    SELECT state FROM stored_events WHERE originator_id = ? AND topic = ?
    ORDER BY originator_version DESC LIMIT 1
"""


@attrs.frozen
class SeenEvent:
    """An event of a log that somebody has seen: its position and its digest (SHA-256)."""

    position: int
    digest: bytes


@attrs.frozen(kw_only=True)
class LogFound:
    """What a log says of itself and of its vault."""

    log_id: str
    head: int
    """The last position that was ever given out."""
    vault_changes: int
    """How often the vault had been changed, by the last `log.vault_noted`; 0 without one."""
    there: SeenEvent | None
    """The event at the position that was asked for; None if it is not there."""


def seen_of(row: Sequence[Any]) -> SeenEvent:
    """Returns the position and the leaf hash (RFC 6962) of a row of `stored_events`."""
    position, stream, version, name, state = row
    return SeenEvent(position, leaf_hash(stream, version, name, state))


def look(path: Path, position: int) -> LogFound | None:
    """Returns what a closed log holds, and its event at `position`; makes and changes nothing.

    None if there is no file, or no event in it. LogDamaged if it is no log. Blocks.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        with closing(_connection(path)) as database:
            return _found(database, position) if _has(database, "stored_events") else None
    except (sqlite3.Error, ValueError, LookupError) as error:
        raise LogDamaged(
            f"{path} cannot be opened as a log ({error}); check the disk and restore a backup"
        ) from error


def _connection(path: Path) -> sqlite3.Connection:
    wal = path.with_name(f"{path.name}-wal")
    return connect(path, "mode=ro" if wal.exists() else "mode=ro&immutable=1")


def _has(database: sqlite3.Connection, table: str) -> bool:
    return database.execute(_HAS_TABLE, (table,)).fetchone() is not None


def _found(database: sqlite3.Connection, position: int) -> LogFound | None:
    first = database.execute(FIRST).fetchone()
    if first is None:
        return None
    if first[0] != LogOpened.name:
        raise LogDamaged("the log does not begin with log.opened; restore a backup")
    noted = database.execute(_VAULT_NOTED, (LOG, LogVaultNoted.name)).fetchone()
    return LogFound(
        log_id=str(orjson.loads(first[1])["data"]["log_id"]),
        head=int(database.execute(LAST_POSITION).fetchone()[0]),
        vault_changes=int(orjson.loads(noted[0])["data"]["changes"]) if noted else 0,
        there=_there(database, position),
    )


def _there(database: sqlite3.Connection, position: int) -> SeenEvent | None:
    """By the digest beside the event, if it has one: whether that fits is for others to check."""
    row = database.execute(AT_POSITION, (position,)).fetchone()
    if row is None:
        return None
    kept = None
    if _has(database, "event_digests"):
        kept = database.execute(_DIGEST, (position,)).fetchone()
    return SeenEvent(position, kept[0]) if kept else seen_of(row)
