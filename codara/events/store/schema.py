"""The tables of the log, and the statements that write them."""

from functools import cache

OLDER = "older"
"""The mark at the last event that was there before there were digests."""
EVENTS_PROVEN, PAYLOADS_PROVEN = "events", "payloads"
"""The marks that all older events, and all older payloads, have got their digests."""
PROVEN = (EVENTS_PROVEN, PAYLOADS_PROVEN)
WITH_DIGEST = (
    "the log is append-only, and takes nothing without a digest: use this version or later"
)
DIGEST_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS event_digests (
        position INTEGER PRIMARY KEY,
        hash BLOB NOT NULL)
    """,
    """
    CREATE TABLE IF NOT EXISTS payload_digests (
        payload_id TEXT NOT NULL,
        part INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (payload_id, part))
    """,
    """
    CREATE TABLE IF NOT EXISTS digest_marks (
        name TEXT PRIMARY KEY,
        position INTEGER NOT NULL)
    """,
)
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
    *DIGEST_TABLES,
    """
    INSERT INTO digest_marks (name, position)
    SELECT 'older', (SELECT COALESCE(MAX(position), 0) FROM stored_events)
    WHERE NOT EXISTS (SELECT 1 FROM digest_marks WHERE name = 'older')
    """,
    """
    INSERT INTO digest_marks (name, position) SELECT 'events', 0
    WHERE NOT EXISTS (SELECT 1 FROM digest_marks WHERE name = 'events')
    AND NOT EXISTS (SELECT 1 FROM stored_events)
    """,
    """
    INSERT INTO digest_marks (name, position) SELECT 'payloads', 0
    WHERE NOT EXISTS (SELECT 1 FROM digest_marks WHERE name = 'payloads')
    AND NOT EXISTS (SELECT 1 FROM payloads)
    """,
    *(
        f"""
        CREATE TRIGGER IF NOT EXISTS {table}_refuse_{verb.lower()} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
        """
        for table in (
            "stored_events",
            "payloads",
            "event_digests",
            "payload_digests",
            "digest_marks",
        )
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
    """
    CREATE TRIGGER IF NOT EXISTS event_digests_refuse_replace BEFORE INSERT ON event_digests
    WHEN EXISTS (SELECT 1 FROM event_digests WHERE position = NEW.position)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS payload_digests_refuse_replace BEFORE INSERT ON payload_digests
    WHEN EXISTS (SELECT 1 FROM payload_digests
                 WHERE payload_id = NEW.payload_id AND part = NEW.part)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS digest_marks_refuse_replace BEFORE INSERT ON digest_marks
    WHEN EXISTS (SELECT 1 FROM digest_marks WHERE name = NEW.name)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS stored_events_refuse_undigested BEFORE INSERT ON stored_events
    WHEN NOT EXISTS (SELECT 1 FROM event_digests WHERE position = NEW.position)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only, by a version that writes digests'); END
    """,
    """
    CREATE TRIGGER IF NOT EXISTS payloads_refuse_undigested BEFORE INSERT ON payloads
    WHEN NOT EXISTS (SELECT 1 FROM payload_digests
                     WHERE payload_id = NEW.payload_id AND part = NEW.part)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only, by a version that writes digests'); END
    """,
)
NO_DIGESTS = (
    "PRAGMA temp_store = MEMORY",
    *(table.replace("CREATE TABLE", "CREATE TEMP TABLE") for table in DIGEST_TABLES),
    "INSERT INTO digest_marks VALUES ('older', 9223372036854775807)",
)
"""Make a connection see a log of an earlier version as one whose events are all unproven."""
HAS_DIGESTS = "SELECT 1 FROM sqlite_master WHERE name = 'digest_marks'"
INSERT_MARK = "INSERT INTO digest_marks (name, position) VALUES (?, ?)"
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
_EVENTS = """
    SELECT e.position, e.originator_id, e.originator_version, e.topic, e.state, d.hash,
           COALESCE((SELECT 0 FROM digest_marks WHERE name = 'events'),
                    (SELECT position FROM digest_marks WHERE name = 'older'), 0)
    FROM stored_events e LEFT JOIN event_digests d ON d.position = e.position
"""
"""With its last column: up to which position an event may be without a digest."""
BY_POSITION = _EVENTS + "WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?"
OF_STREAM = _EVENTS + (
    "WHERE e.originator_id = ? AND e.originator_version >= ? ORDER BY e.originator_version"
)
LAST_OF_STREAM = _EVENTS + ("WHERE e.originator_id = ? ORDER BY e.originator_version DESC LIMIT 1")
NOT_BY_STREAM = """
    SELECT e.position FROM stored_events e WHERE e.position > ? AND e.position <= ?
    AND e.position IS NOT (SELECT i.position FROM stored_events i
                           WHERE i.originator_id = e.originator_id
                           AND i.originator_version = e.originator_version)
"""
LAST_NAMED = """
    SELECT originator_version FROM stored_events
    WHERE originator_id = ? AND topic IN (SELECT value FROM json_each(?))
    ORDER BY originator_version DESC LIMIT 1
"""
PARTS = "SELECT box FROM payloads WHERE payload_id = ? ORDER BY part"
STORED_PARTS = """
    SELECT p.rowid, p.payload_id, p.part, p.box, d.hash,
           NOT EXISTS (SELECT 1 FROM digest_marks WHERE name = 'payloads')
    FROM payloads p LEFT JOIN payload_digests d USING (payload_id, part)
    WHERE p.rowid > ? ORDER BY p.rowid LIMIT ?
"""
LOST_PARTS = """
    SELECT d.payload_id, d.part FROM payload_digests d LEFT JOIN payloads p USING (payload_id, part)
    WHERE d.rowid > ? AND d.rowid <= ? AND p.part IS NULL
"""
LAST_PART_DIGEST = "SELECT COALESCE(MAX(rowid), 0) FROM payload_digests"
EVENT_OF_PAYLOAD = """
    SELECT position, originator_id, originator_version FROM stored_events
    WHERE instr(state, CAST(? AS BLOB)) ORDER BY position LIMIT 1
"""
DIGESTS_UP_TO = "SELECT COUNT(*) FROM event_digests WHERE position <= ?"
MARKS = "SELECT name, position FROM digest_marks"


@cache
def insert_at(rows: int) -> str:
    """Inserts that many rows of position, originator_id, originator_version, topic, state."""
    columns = "position, originator_id, originator_version, topic, state"
    return _insert("stored_events", columns, COLUMNS, rows)


@cache
def insert_digests(rows: int) -> str:
    """Inserts that many rows of position and hash."""
    return _insert("event_digests", "position, hash", 2, rows)


@cache
def insert_part_digests(rows: int) -> str:
    """Inserts that many rows of payload_id, part and hash."""
    return _insert("payload_digests", "payload_id, part, hash", 3, rows)


def _insert(table: str, columns: str, number: int, rows: int) -> str:
    one = f"({', '.join('?' * number)})"
    return f"INSERT INTO {table} ({columns}) VALUES {', '.join([one] * rows)}"  # noqa: S608 - names only
