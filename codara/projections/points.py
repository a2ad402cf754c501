"""Points: how far each conversation had come at the end of each of its turns, as digests."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs
import orjson

from codara.clock import Clock
from codara.events.base import Recorded
from codara.events.loss import SessionSetBack
from codara.events.session import (
    SessionExpired,
    SessionOpened,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from codara.events.thread import Point, Thread
from codara.projections.engine.base import Statement, Value, as_json, moment
from codara.projections.engine.queries import Reader, Row

MOST = 100
UNFOUND = ("named", "reference", "aside")
"""Origins of sessions to which no transcript leads."""

_REQUESTED = """
INSERT INTO sessions (session_id, caller, workspace_id, origin, provider, chat, system, kept)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (session_id) DO UPDATE SET provider = excluded.provider, chat = excluded.chat,
    system = excluded.system, kept = excluded.kept, expires_at = ''
"""
_REACHED = """
INSERT INTO points (position, session_id, turn_id, provider, digest, tail, thread)
SELECT ?, session_id, ?, provider, ?, ?, ? FROM sessions WHERE session_id = ? AND kept
"""
_ENDED = "UPDATE sessions SET ends_at = ?, expires_at = ? WHERE session_id = ?"
_CLEARED = "DELETE FROM points WHERE session_id = ?"
_SET_BACK = """
UPDATE points SET thread = json_set(thread, '$.backend_id', NULL, '$.mark', NULL)
WHERE session_id = ?
"""
"""The points stay, so that the session is found; nobody goes on with their threads."""
_PRUNED = """
DELETE FROM points WHERE position IN (
    SELECT position FROM sessions JOIN points USING (session_id)
    WHERE expires_at != '' AND expires_at <= ? ORDER BY expires_at LIMIT 20)
"""
"""Removes expired points as sessions begin: twenty for each, as no event says that they end."""
_LEFT_OUT = """
DELETE FROM sessions WHERE session_id IN (
    SELECT session_id FROM sessions
    WHERE expires_at != '' AND expires_at <= ?
        AND NOT EXISTS (SELECT 1 FROM points WHERE points.session_id = sessions.session_id)
    ORDER BY expires_at LIMIT 20)
"""
"""Removes sessions without points; a session's next turn adds it again."""


class PointsProjection:
    """One row for each turn that left a thread; those of a session that was reset are deleted."""

    name: ClassVar[str] = "points"
    version: ClassVar[int] = 4
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name
        for event in (
            SessionOpened,
            TurnRequested,
            TurnCompleted,
            TurnFailed,
            TurnCancelled,
            SessionReset,
            SessionExpired,
            SessionSetBack,
        )
    )
    schema: ClassVar[str] = """
    CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY, caller TEXT NOT NULL, workspace_id TEXT NOT NULL,
        origin TEXT NOT NULL, provider TEXT NOT NULL DEFAULT '', chat TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '', kept INTEGER NOT NULL DEFAULT 1,
        ends_at INTEGER NOT NULL DEFAULT 0, expires_at TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE points (
        position INTEGER PRIMARY KEY, session_id TEXT NOT NULL, turn_id TEXT NOT NULL,
        provider TEXT NOT NULL, digest TEXT NOT NULL, tail TEXT NOT NULL, thread TEXT NOT NULL
    ) STRICT;
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
    CREATE INDEX points_by_digest ON points (digest);
    CREATE INDEX points_by_tail ON points (tail) WHERE tail != '';
    CREATE INDEX points_of_session ON points (session_id);
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position = recorded.event, recorded.position
        match event:
            case SessionOpened():
                yield _PRUNED, (moment(recorded.metadata.at),)
                yield _LEFT_OUT, (moment(recorded.metadata.at),)
            case TurnRequested():
                named = (event.session_id, event.caller, event.workspace_id, event.origin)
                told = (event.provider, event.chat, event.system, event.persistent)
                yield _REQUESTED, (*named, *told)
            case TurnCompleted() | TurnFailed() | TurnCancelled():
                thread = event.end.thread
                if thread.backend_id is not None and thread.point.digest:
                    yield _REACHED, _reached(event.session_id, event.turn_id, thread, position)
                expires = moment(event.end.expires_at)
                yield _ENDED, (position, expires, event.session_id)
            case SessionReset() | SessionExpired():
                yield _CLEARED, (event.session_id,)
            case SessionSetBack():
                yield _SET_BACK, (event.session_id,)


def _reached(session_id: str, turn_id: str, thread: Thread, position: int) -> tuple[Value, ...]:
    point = thread.point
    return (position, turn_id, point.digest, point.tail, as_json(thread), session_id)


@attrs.frozen(kw_only=True)
class PointRow:
    """A point of a session, with what sets its session apart from others with its transcript."""

    session_id: str
    turn_id: str
    thread: Thread
    last: bool
    system: str
    chat: str
    order: int

    @classmethod
    def of(cls, row: Row) -> "PointRow":
        """Makes a point from a row."""
        stored = orjson.loads(row["thread"])
        thread = Thread(**stored | {"point": Point(**stored["point"])})
        return cls(
            session_id=row["session_id"],
            turn_id=row["turn_id"],
            thread=thread,
            last=row["position"] == row["ends_at"],
            system=row["system"],
            chat=row["chat"],
            order=row["position"],
        )


_COLUMNS = (
    "position, session_id, turn_id, thread, ends_at, system, chat"
    " FROM points JOIN sessions USING (session_id)"
)
_FOUND = f"""
SELECT {_COLUMNS} WHERE {{which}} AND caller = ?2 AND workspace_id = ?3 AND points.provider = ?4
    AND origin NOT IN {UNFOUND} AND (expires_at = '' OR expires_at > ?5)
    ORDER BY position DESC LIMIT {MOST}
"""
_BY_DIGESTS = _FOUND.format(which="digest IN (SELECT value FROM json_each(?1))")
_BY_TAIL = _FOUND.format(which="tail = ?1")
_OF_SESSION = f"""
SELECT {_COLUMNS} WHERE session_id = ?1 AND digest IN (SELECT value FROM json_each(?2))
    AND points.provider = ?3 ORDER BY position DESC LIMIT {MOST}
"""  # noqa: S608


@attrs.frozen
class PointQueries:
    """Queries for points; those of an expired session are not found, in the log or not."""

    reader: Reader
    clock: Clock

    async def of_digests(
        self, digests: Sequence[str], *, caller: str, workspace_id: str, provider: str
    ) -> Sequence[PointRow]:
        """Returns up to 100 points of unnamed sessions with one of these digests, latest first."""
        listed = orjson.dumps(list(digests)).decode()
        return await self._rows(_BY_DIGESTS, (listed, caller, workspace_id, provider, self._now()))

    async def of_tail(
        self, tail: str, *, caller: str, workspace_id: str, provider: str
    ) -> Sequence[PointRow]:
        """Returns the ends of unnamed sessions with this digest of their last two exchanges."""
        return await self._rows(_BY_TAIL, (tail, caller, workspace_id, provider, self._now()))

    async def of_session(
        self, session_id: str, digests: Sequence[str], *, provider: str
    ) -> Sequence[PointRow]:
        """Returns the points of one session with one of these digests, the latest first."""
        listed = orjson.dumps(list(digests)).decode()
        return await self._rows(_OF_SESSION, (session_id, listed, provider))

    async def _rows(self, sql: str, parameters: Sequence[Value]) -> Sequence[PointRow]:
        return [PointRow.of(row) for row in await self.reader.rows(sql, parameters)]

    def _now(self) -> str:
        return moment(self.clock())
