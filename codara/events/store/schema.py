"""The tables of the log, and the statements that write them."""

from functools import cache

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS stored_events (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        originator_id TEXT NOT NULL,
        originator_version INTEGER NOT NULL,
        topic TEXT NOT NULL,
        state BLOB NOT NULL,
        UNIQUE (originator_id, originator_version))
    """,
    """
    CREATE TABLE IF NOT EXISTS payloads (
        payload_id TEXT NOT NULL,
        part INTEGER NOT NULL,
        box BLOB NOT NULL,
        PRIMARY KEY (payload_id, part))
    """,
    *(
        f"""
        CREATE TRIGGER IF NOT EXISTS {table}_refuse_{verb.lower()} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
        """
        for table in ("stored_events", "payloads")
        for verb in ("UPDATE", "DELETE")
    ),
    """
    CREATE TRIGGER IF NOT EXISTS stored_events_refuse_replace BEFORE INSERT ON stored_events
    WHEN NEW.position <= (SELECT MAX(position) FROM stored_events) AND NEW.position >= 0
      OR EXISTS (SELECT 1 FROM stored_events WHERE originator_id = NEW.originator_id
                 AND originator_version = NEW.originator_version)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS payloads_refuse_replace BEFORE INSERT ON payloads
    WHEN EXISTS (SELECT 1 FROM payloads WHERE payload_id = NEW.payload_id AND part = NEW.part)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
)
INSERT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state)"
    " VALUES (?, ?, ?, ?)"
)
INSERT_PART = "INSERT INTO payloads (payload_id, part, box) VALUES (?, ?, ?)"
LAST_POSITION = "SELECT seq FROM sqlite_sequence WHERE name = 'stored_events'"
FIRST = "SELECT topic, state FROM stored_events ORDER BY position LIMIT 1"
NEWEST = """
    SELECT position, originator_id, originator_version, topic, state FROM stored_events
    ORDER BY position DESC LIMIT 1
"""
AT_POSITION = """
    SELECT position, originator_id, originator_version, topic, state FROM stored_events
    WHERE position = ?
"""
LAST_VERSION = "SELECT MAX(originator_version) FROM stored_events WHERE originator_id = ?"
COLUMNS = 5


@cache
def insert_at(rows: int) -> str:
    """Inserts that many rows of position, originator_id, originator_version, topic, state."""
    places = ", ".join(["(?, ?, ?, ?, ?)"] * rows)
    columns = "position, originator_id, originator_version, topic, state"
    return f"INSERT INTO stored_events ({columns}) VALUES {places}"  # noqa: S608 - places only
