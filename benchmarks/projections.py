"""Read models: how soon an event shows in them, and how fast they are rebuilt, as ratios.

`python benchmarks/projections.py [EVENTS]`: prints one line a figure, all measured in one run.
"""

import asyncio
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import orjson

from codara.events import streams
from codara.events.base import Append, Recorded
from codara.events.log import EventLog
from codara.projections.base import Projection, Statement, moment
from codara.projections.rebuild import rebuild_all
from codara.projections.views import PROJECTIONS, Views
from tests import given
from tests.fakes import FakeKeyRing

TURNS_AT_ONCE = 50
UPSERT = "VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET n = n + 1, at = excluded.at"
STREAM = f"INSERT INTO streams {UPSERT}"
NAME = f"INSERT INTO names {UPSERT}"


class TwoStatements:
    """Two upserts an event, whatever it says."""

    name: ClassVar[str] = "two"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(kind.name for kind in given.EXAMPLES)
    schema: ClassVar[str] = """
    CREATE TABLE streams (stream TEXT PRIMARY KEY, n INTEGER, at TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE names (name TEXT PRIMARY KEY, n INTEGER, at TEXT) STRICT, WITHOUT ROWID;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        at = moment(recorded.metadata.at)
        return (STREAM, (recorded.stream, at)), (NAME, (recorded.event.name, at))


async def fill(log: EventLog, events: int) -> None:
    """Turns as they are written in life, many sessions side by side."""
    number = 0
    while log.head() < events:
        batch = range(number, number + TURNS_AT_ONCE)
        for step in zip(*(turn(n) for n in batch), strict=True):
            await asyncio.gather(*(log.queue(appends, given.CAUSE) for appends in step))
        number += TURNS_AT_ONCE


def turn(n: int) -> list[list[Append]]:
    ids = {"session_id": f"ses_{n}", "turn_id": f"trn_{n}"}
    here = {"workspace_id": f"wsp_{n}"}
    session, place = streams.session(f"ses_{n}"), streams.workspace(f"wsp_{n}")
    leases = [streams.lease(kind, f"x{n}", 0) for kind in ("user", "account")]
    taken = [Append(lease, 0, [given.lease_taken()]) for lease in leases]
    released = [Append(lease, 1, [given.lease_released()]) for lease in leases]
    request = given.request_accepted(**ids, request_id=f"req_{n}")
    opened = given.session_opened(session_id=f"ses_{n}", **here)
    asked = given.turn_requested(**ids, **here, request_id=f"req_{n}", prompt_payload=None)
    locked = given.workspace_locked(**ids, **here)
    diff = given.diff_recorded(turn_id=f"trn_{n}", **here, patch_payload=None)
    done = given.turn_completed(**ids, answer_payload=None)
    unlocked = given.workspace_unlocked(turn_id=f"trn_{n}", **here)
    return [
        [Append(place, 0, [given.workspace_provisioned(**here)])],
        [
            Append(streams.request(f"req_{n}"), 0, [request]),
            Append(session, 0, [opened, asked]),
        ],
        [
            Append(session, 2, [given.turn_started(**ids)]),
            Append(place, 1, [locked]),
            *taken,
        ],
        [
            Append(session, 3, [done]),
            Append(place, 2, [diff, unlocked]),
            *released,
        ],
    ]


def bare(path: Path) -> float:
    """Events a second that are read and parsed, and no more."""
    with sqlite3.connect(path) as db:
        began, count = time.perf_counter(), 0
        for row in db.execute("SELECT * FROM stored_events ORDER BY position"):
            orjson.loads(row[4])
            count += 1
        took = time.perf_counter() - began
    db.close()
    return count / took


async def rebuilt(log: EventLog, folder: Path, projections: Sequence[Projection]) -> float:
    """Events a second from nothing to synced files."""
    thread = ThreadPoolExecutor(1)
    wanted = [(projection, folder / f"{projection.name}.db") for projection in projections]
    began = time.perf_counter()
    stores = await rebuild_all(wanted, log, thread)
    took = time.perf_counter() - began
    for store in stores:
        await asyncio.get_running_loop().run_in_executor(thread, store.close)
    thread.shutdown()
    return log.head() / took


async def visible(log: EventLog, folder: Path, times: int) -> list[float]:
    """Milliseconds from calling append to the row being there, one append after another."""
    views = await Views.open(folder, log)
    await views.start()
    took = []
    for n in range(times):
        began = time.perf_counter()
        append = Append(streams.user(f"usr_new_{n}"), 0, [given.user_provisioned(user_id=f"u{n}")])
        position = await log.append([append], given.CAUSE)
        committed = time.perf_counter()
        await views.wait_for(position, 10)
        took.append((time.perf_counter() - began, time.perf_counter() - committed))
    await views.close()
    for name, index in (("append call -> visible", 0), ("commit -> visible", 1)):
        ordered = sorted(pair[index] * 1000 for pair in took)
        p99 = ordered[int(len(ordered) * 0.99)]
        print(f"{name}: p50 {statistics.median(ordered):.2f} ms, p99 {p99:.2f} ms")
    return ordered


async def main(events: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = await EventLog.open(folder / "events.db", FakeKeyRing())
        await fill(log, events)
        raw = max([await asyncio.to_thread(bare, folder / "events.db") for _ in range(3)])
        print(f"{log.head():,} events; rows + orjson.loads: {raw:,.0f}/s")
        for label, projections in (
            ("one read model, two statements", [TwoStatements()]),
            ("all read models", PROJECTIONS),
        ):
            runs = []
            for n in range(3):
                runs.append(await rebuilt(log, folder / f"{label[:3]}{n}", projections))
            speed = max(runs)
            print(f"rebuild, {label}: {speed:,.0f}/s = {speed / raw:.3f} of that")
        await visible(log, folder / "views", 2_000)
        await log.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
