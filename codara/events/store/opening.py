"""Opening the log's file, or saying why it cannot be opened."""

import sqlite3
from pathlib import Path

import orjson
from eventsourcing.persistence import PersistenceError

from codara.errors import LogDamaged, StorageFull
from codara.events.gateway import LogOpened
from codara.events.store.datastore import LogDatastore
from codara.events.store.digests import StoredDamage
from codara.events.store.lock import FileLock
from codara.events.store.recorder import LogRecorder


def open_recorder(path: Path, lock: FileLock) -> tuple[str, LogRecorder, StoredDamage | None]:
    """Takes the lock, makes the tables, checks the first and the last events.

    Returns the id of the log ("" if it is new), its recorder, and what is wrong with those events.
    Raises LogLocked, StorageFull, or LogDamaged if the file is no log; the lock is free then.
    Blocks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock.take()
    try:
        recorder = LogRecorder(LogDatastore(str(path)))
        recorder.create_table()
        recorder.remember_newest()
        return _log_id(recorder), recorder, recorder.damage_at_the_ends()
    except (sqlite3.Error, PersistenceError) as error:
        lock.release()
        code = getattr(error.__cause__ or error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise StorageFull(
                f"the disk does not take the log {path} ({error}); make room on it"
            ) from error
        raise LogDamaged(
            f"{path} cannot be opened as a log ({error}); check the disk and restore a backup"
        ) from error
    except BaseException:
        lock.release()
        raise


def _log_id(recorder: LogRecorder) -> str:
    first = recorder.select_notifications(start=None, limit=1)
    if not first:
        return ""
    if first[0].topic != LogOpened.name:
        raise LogDamaged("the log does not begin with log.opened; restore a backup")
    return str(orjson.loads(first[0].state)["data"]["log_id"])
