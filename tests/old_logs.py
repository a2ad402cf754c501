"""Logs as earlier versions of Codara left them."""

import sqlite3
from contextlib import closing
from pathlib import Path


def without_digests(log: Path) -> None:
    """Takes from a closed log all that the versions before digests did not know."""
    with closing(sqlite3.connect(log)) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            if "digest" in name:
                database.execute(f"DROP TRIGGER {name}")
        for table in ("event_digests", "payload_digests", "digest_marks"):
            database.execute(f"DROP TABLE {table}")
