"""Small followers, and a log that fails when the test says so."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from codara.errors import StorageFailed
from codara.events.base import Append, Recorded
from codara.events.store.log import EventLog
from tests import event_examples

Wrong = Callable[[Recorded], Exception | None]


def nothing_wrong(_: Recorded) -> None:
    return None


class Counting:
    """Copies the positions of events into a file of its own, its position in the transaction.

    `wrong` says what each event does to it; `gate`, where given, holds every batch up.
    """

    name = "counting"

    def __init__(self, path: Path, *, wrong: Wrong = nothing_wrong) -> None:
        self.wrong = wrong
        self.gate: asyncio.Event | None = None
        self.batches: list[int] = []
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("CREATE TABLE IF NOT EXISTS seen (position INTEGER)")
        self._db.execute("CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, at INTEGER)")
        self._db.execute("INSERT OR IGNORE INTO progress VALUES (1, 0)")

    @property
    def position(self) -> int:
        return int(self._db.execute("SELECT at FROM progress").fetchone()[0])

    @property
    def seen(self) -> list[int]:
        return [row[0] for row in self._db.execute("SELECT position FROM seen ORDER BY rowid")]

    async def take(self, batch: Sequence[Recorded]) -> None:
        self.batches.append(len(batch))
        self._db.execute("BEGIN")
        try:
            for event in batch:
                self._judge(event)
                self._db.execute("INSERT INTO seen VALUES (?)", (event.position,))
                if self.gate is not None:
                    await self.gate.wait()
            self._db.execute("UPDATE progress SET at = ?", (batch[-1].position,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _judge(self, event: Recorded) -> None:
        if (error := self.wrong(event)) is not None:
            raise error

    def close(self) -> None:
        self._db.close()


@attrs.define
class Post:
    """A courier: what it brought, and what it gave up; `wrong` says which events fail."""

    name: str = "post"
    position: int = 0
    wrong: Wrong = nothing_wrong
    unwanted: frozenset[int] = frozenset()
    brought: list[int] = attrs.field(factory=list)
    tried: list[int] = attrs.field(factory=list)
    given_up: list[tuple[int, str]] = attrs.field(factory=list)
    no_room: bool = False
    """Nothing can be kept, nor recorded."""

    def wants(self, event: Recorded) -> bool:
        return event.position not in self.unwanted

    async def deliver(self, event: Recorded) -> None:
        self.tried.append(event.position)
        if (error := self.wrong(event)) is not None:
            raise error
        self.brought.append(event.position)

    async def give_up(self, event: Recorded, why: str) -> None:
        self._need_room()
        self.given_up.append((event.position, why))

    async def keep(self, position: int) -> None:
        self._need_room()
        self.position = position

    def _need_room(self) -> None:
        if self.no_room:
            raise sqlite3.OperationalError("database or disk is full")


class Sometimes:
    """A log whose reads fail while `broken`, and are counted."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.broken: Exception | None = None
        self.reads = 0

    async def read(
        self, after: int, *, limit: int = 500, until: int | None = None, sealed: bool = False
    ) -> list[Recorded]:
        self.reads += 1
        if self.broken is not None:
            raise self.broken
        return await self._log.read(after, limit=limit, until=until, sealed=sealed)


async def write(log: EventLog, events: int) -> int:
    """Appends so many events to a stream of their own; returns the last position."""
    resets = [event_examples.session_reset()] * events
    return await log.append([Append(f"session/at_{log.head()}", 0, resets)], event_examples.CAUSE)


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Returns when it is true; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.001)


def at(*positions: int, error: Exception | None = None) -> Wrong:
    """What is wrong with the events at these positions."""
    wrong = error or ValueError("secret of whoever it is")
    return lambda event: wrong if event.position in positions else None


FAILS = StorageFailed("the log's files fail")
