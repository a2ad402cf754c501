"""Durable appends: group commit against raw sqlite3 and against one recorder call an append."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from benchmarks.common import async_rate, medians, rate, run, scratch, show
from codara.adapters.vault.vault import FileVault
from codara.events.base import Append, Event
from codara.events.store.log import EventLog
from codara.events.store.mapper import EventMapper
from tests import event_examples

ROUNDS = 5
CALLERS = 256
EACH = 60
NAIVE_EACH = 4
RAW_BATCHES = 150
CHAIN_CALLERS = 32
CHAIN_EACH = 200

# The facts of one turn's start: some with sealed fields, some without.
FACTS: tuple[Event, ...] = (
    event_examples.turn_requested(),
    event_examples.request_accepted(),
    event_examples.turn_started(),
    event_examples.workspace_locked(),
    event_examples.lease_taken(),
    event_examples.lease_taken(kind="user"),
)


async def one_round(folder: Path) -> dict[str, float]:
    vault = await FileVault.open(folder)
    log = await EventLog.open(folder / "events.db", vault)
    try:
        mapper = EventMapper(log.log_id, vault)
        return {
            "raw": raw(folder / "raw.db", mapper),
            "group": await async_rate(CALLERS * EACH, callers(log, CALLERS, EACH)),
            "naive": await naive(folder / "naive.db", mapper),
            "streams": await async_rate(
                CHAIN_CALLERS * CHAIN_EACH, callers(log, CHAIN_CALLERS, CHAIN_EACH)
            ),
            "stream": await async_rate(CHAIN_CALLERS * CHAIN_EACH, one_stream(log)),
            "alone": await async_rate(CHAIN_EACH, callers(log, 1, CHAIN_EACH)),
        }
    finally:
        await log.close()
        await vault.close()


STREAMS = count()


async def callers(log: EventLog, number: int, each: int) -> None:
    """Each appends one event after the other to a stream of its own."""

    async def caller(stream: str) -> None:
        for version in range(each):
            fact = FACTS[version % len(FACTS)]
            await log.append([Append(stream, version, [fact])], event_examples.CAUSE)

    await asyncio.gather(*(caller(f"session/ses_{next(STREAMS)}") for _ in range(number)))


async def one_stream(log: EventLog) -> None:
    """All append to one stream, each behind what was queued before it."""
    stream = f"session/ses_{next(STREAMS)}"
    versions = count()

    async def caller() -> None:
        for turn in range(CHAIN_EACH):
            fact = FACTS[turn % len(FACTS)]
            await log.append([Append(stream, next(versions), [fact])], event_examples.CAUSE)

    await asyncio.gather(*(caller() for _ in range(CHAIN_CALLERS)))


def raw(file: Path, mapper: EventMapper) -> float:
    """The same bytes through sqlite3 alone, ready made, 100 a transaction."""
    rows = [
        (f"session/ses_{number}", 1, fact.name, stored_state(mapper, fact))
        for number, fact in zip(range(100), FACTS * 17, strict=False)
    ]
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute(
        "CREATE TABLE stored_events (originator_id TEXT, originator_version INTEGER, topic TEXT,"
        " state BLOB, PRIMARY KEY (originator_id, originator_version))"
    )

    def write() -> None:
        for version in range(RAW_BATCHES):
            database.execute("BEGIN")
            database.executemany(
                "INSERT INTO stored_events VALUES (?, ?, ?, ?)",
                [(stream, version, topic, state) for stream, _, topic, state in rows],
            )
            database.execute("COMMIT")

    try:
        return rate(100 * RAW_BATCHES, write)
    finally:
        database.close()


async def naive(file: Path, mapper: EventMapper) -> float:
    """What one would write first: a thread call of the library's recorder for each append."""
    datastore = SQLiteDatastore(str(file), originator_id_type="text")
    recorder = SQLiteApplicationRecorder(datastore)
    recorder.create_table()
    loop = asyncio.get_running_loop()

    async def caller(stream: str) -> None:
        for version in range(1, NAIVE_EACH + 1):
            fact = FACTS[version % len(FACTS)]
            stored = mapper.to_stored(stream, version, fact, event_examples.metadata())
            await loop.run_in_executor(pool, recorder.insert_events, [stored])

    with ThreadPoolExecutor(8) as pool:
        try:
            work = asyncio.gather(*(caller(f"session/ses_{n}") for n in range(CALLERS)))
            return await async_rate(CALLERS * NAIVE_EACH, work)
        finally:
            datastore.close()


def stored_state(mapper: EventMapper, fact: Event) -> bytes:
    return mapper.to_stored("session/ses_0", 1, fact, event_examples.metadata()).state


async def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with scratch() as folder:
            rounds.append(await one_round(folder))
    found = medians(rounds)
    show("raw sqlite3, batches of 100, FULL", found["raw"], unit="/s")
    show(f"group commit, {CALLERS} callers", found["group"], unit="/s")
    show("one recorder call an append", found["naive"], unit="/s")
    show(f"{CHAIN_CALLERS} callers on as many streams", found["streams"], unit="/s")
    show(f"{CHAIN_CALLERS} callers on one stream", found["stream"], unit="/s")
    show("one caller", found["alone"], unit="/s")
    show("durable appends at 256 callers ÷ raw", found["group"] / found["raw"], reach="0.35")
    show("the same ÷ one recorder call an append", found["group"] / found["naive"], reach="10")
    show("32 on one stream ÷ on 32 streams", found["stream"] / found["streams"], reach="0.5")


if __name__ == "__main__":
    run(main())
