"""Read models: how soon an event shows in them, and how fast they are rebuilt."""

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import orjson

from benchmarks.common import async_rate, medians, quantile, rate, run, scratch, show
from codara.events import streams
from codara.events.base import Append, Recorded
from codara.events.store.log import EventLog
from codara.projections.engine.base import Projection, Statement, moment
from codara.projections.engine.rebuild import rebuild_all
from codara.projections.views import PROJECTIONS, Views
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

EVENTS = 30_000
ROUNDS = 5
APPENDS = 2_000
TURNS_AT_ONCE = 50
UPSERT = "VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET n = n + 1, at = excluded.at"
STREAM = f"INSERT INTO streams {UPSERT}"
NAME = f"INSERT INTO names {UPSERT}"


class TwoStatements:
    """Two upserts an event, whatever it says."""

    name: ClassVar[str] = "two"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(kind.name for kind in event_examples.EXAMPLES)
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
            await asyncio.gather(*(log.queue(appends, event_examples.CAUSE) for appends in step))
        number += TURNS_AT_ONCE


def turn(n: int) -> list[list[Append]]:
    ids = {"session_id": f"ses_{n}", "turn_id": f"trn_{n}"}
    here = {"workspace_id": f"wsp_{n}"}
    session, place = streams.session(f"ses_{n}"), streams.workspace(f"wsp_{n}")
    leases = [streams.lease(kind, f"x{n}", 0) for kind in ("user", "account")]
    taken = [Append(lease, 0, [event_examples.lease_taken()]) for lease in leases]
    released = [Append(lease, 1, [event_examples.lease_released()]) for lease in leases]
    request = event_examples.request_accepted(**ids, request_id=f"req_{n}")
    opened = event_examples.session_opened(session_id=f"ses_{n}", **here)
    asked = event_examples.turn_requested(**ids, **here, request_id=f"req_{n}", prompt_payload=None)
    locked = event_examples.workspace_locked(
        holder=event_examples.turn_holder(f"trn_{n}"), session_id=f"ses_{n}", **here
    )
    diff = event_examples.diff_recorded(turn_id=f"trn_{n}", **here, patch_payload=None)
    done = event_examples.turn_completed(**ids, answer_payload=None)
    unlocked = event_examples.workspace_unlocked(
        holder=event_examples.turn_holder(f"trn_{n}"), **here
    )
    return [
        [Append(place, 0, [event_examples.workspace_provisioned(**here)])],
        [
            Append(streams.request(f"req_{n}"), 0, [request]),
            Append(session, 0, [opened, asked]),
        ],
        [
            Append(session, 2, [event_examples.turn_started(**ids)]),
            Append(place, 1, [locked]),
            *taken,
        ],
        [
            Append(session, 3, [done]),
            Append(place, 2, [diff, unlocked]),
            *released,
        ],
    ]


def bare(path: Path) -> None:
    """Rows read and parsed, and no more."""
    with sqlite3.connect(path) as db:
        for row in db.execute("SELECT * FROM stored_events ORDER BY position"):
            orjson.loads(row[4])
    db.close()


async def rebuilt(log: EventLog, folder: Path, projections: Sequence[Projection]) -> None:
    """From nothing to synced files."""
    thread = ThreadPoolExecutor(1)
    wanted = [(projection, folder / f"{projection.name}.db") for projection in projections]
    for store in await rebuild_all(wanted, log, thread):
        await asyncio.get_running_loop().run_in_executor(thread, store.close)
    thread.shutdown()


async def one_round(log: EventLog, folder: Path) -> dict[str, float]:
    events = log.head()
    found = {"bare": rate(events, lambda: bare(folder / "events.db"))}
    for name, projections in (("one", [TwoStatements()]), ("all", PROJECTIONS)):
        with scratch() as files:
            found[name] = await async_rate(events, rebuilt(log, files, projections))
    return found | {f"{name} ratio": found[name] / found["bare"] for name in ("one", "all")}


async def visible(log: EventLog, folder: Path) -> tuple[list[float], list[float]]:
    """Milliseconds until a row is there, since append was called and since it was durable."""
    views = await Views.open(folder / "views", log)
    await views.start()
    called, durable = [], []
    for n in range(APPENDS):
        begun = time.perf_counter()
        event = event_examples.user_provisioned(user_id=f"usr_{n}")
        position = await log.append(
            [Append(streams.user(f"usr_{n}"), 0, [event])], event_examples.CAUSE
        )
        committed = time.perf_counter()
        await views.wait_for(position, 10)
        called.append((time.perf_counter() - begun) * 1000)
        durable.append((time.perf_counter() - committed) * 1000)
    await views.close()
    return called, durable


async def main() -> None:
    with scratch() as folder:
        log = await EventLog.open(folder / "events.db", FakeKeyRing())
        await fill(log, EVENTS)
        found = medians([await one_round(log, folder) for _ in range(ROUNDS)])
        show("rows + orjson.loads", found["bare"], unit="/s")
        show("rebuild, one read model of two statements", found["one"], unit="/s")
        show("  of rows + orjson.loads", found["one ratio"], reach="0.2")
        show("rebuild, all read models at once", found["all"], unit="/s")
        show("  of rows + orjson.loads", found["all ratio"], reach="0.08")
        called, durable = await visible(log, folder)
        show("append -> visible, p50", statistics.median(called), reach="2", unit="ms")
        show("append -> visible, p99", quantile(called, 0.99), reach="20", unit="ms")
        show("durable -> visible, p50", statistics.median(durable), unit="ms")
        show("durable -> visible, p99", quantile(durable, 0.99), unit="ms")
        await log.close()


if __name__ == "__main__":
    run(main())
