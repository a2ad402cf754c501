"""A log whose open files break: it says so, opens them again, and goes on or stays closed."""

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from codara.errors import CodaraError, StorageFailed
from codara.events.base import Recorded
from codara.events.store import writer as writing
from codara.events.store.log import EventLog
from tests import event_examples
from tests.disk_failures import no_reads, no_writes
from tests.fakes.keyring import FakeKeyRing
from tests.unit.events.test_events_writer import pair

FILES = [("events.db-wal",), ("events.db", "events.db-wal")]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "REOPEN_SECONDS", 0.01)


async def refused(log: EventLog, number: int) -> CodaraError:
    """The error of an append; appends until there is one."""
    for more in range(1000):
        try:
            await log.append(pair(number + more), event_examples.CAUSE)
        except CodaraError as error:
            return error
    raise AssertionError("the disk never failed")


def beside(folder: Path, statement: str) -> None:
    """Runs a statement by a connection of its own."""
    with closing(sqlite3.connect(folder / "events.db")) as database:
        database.execute(statement).fetchall()


async def until_well(log: EventLog) -> None:
    async with asyncio.timeout(20):
        while log.trouble() is not None:
            await asyncio.sleep(0.01)


async def read_at_last(log: EventLog) -> Sequence[Recorded]:
    """The whole log, as soon as it can be read."""
    async with asyncio.timeout(20):
        while True:
            with suppress(StorageFailed):
                return await log.read(0, limit=10_000)
            await asyncio.sleep(0.01)


async def the_reason(log: EventLog, words: str) -> None:
    async with asyncio.timeout(20):
        while words not in str(log.trouble()):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("names", FILES)
async def test_a_log_whose_files_break_goes_on_with_everything_acknowledged(
    log: EventLog, keys: FakeKeyRing, tmp_path: Path, names: Sequence[str]
) -> None:
    for number in range(20):
        await log.append(pair(number), event_examples.CAUSE)
    acknowledged = log.head()
    no_writes(tmp_path, names)
    error = await refused(log, 20)
    assert isinstance(error, StorageFailed), error
    assert "make room" not in error.message
    await until_well(log)
    position = await log.append(pair(5000), event_examples.CAUSE)
    assert position > acknowledged
    read = await log.read(0, limit=10_000)
    assert [each.position for each in read] == list(range(1, position + 1))
    await log.close()
    again = await EventLog.open(tmp_path / "events.db", keys)
    assert len(await again.read(0, limit=10_000)) == position
    await again.close()


async def test_whoever_follows_a_log_that_failed_sees_every_event_once(
    log: EventLog, tmp_path: Path
) -> None:
    await log.append(pair(0), event_examples.CAUSE)
    no_writes(tmp_path, ["events.db-wal"])
    await refused(log, 1)
    await until_well(log)
    position = await log.append(pair(5000), event_examples.CAUSE)
    near = await log.read(position - 2, limit=10)
    assert [each.position for each in near] == [position - 1, position]


async def test_a_reader_whose_file_breaks_says_so_and_reads_again(
    log: EventLog, tmp_path: Path
) -> None:
    await log.append(pair(0), event_examples.CAUSE)
    await log.load("session/a0")
    for number in range(1, 50):
        await log.append(pair(number), event_examples.CAUSE)
    no_reads(tmp_path, ["events.db", "events.db-wal"])
    with pytest.raises(StorageFailed):
        for number in range(1, 50):
            await log.load(f"session/b{number}")
    assert len(await read_at_last(log)) == log.head()


async def test_a_log_that_was_damaged_meanwhile_stays_closed_with_the_reason(
    log: EventLog, tmp_path: Path
) -> None:
    for number in range(100):
        await log.append(pair(number), event_examples.CAUSE)
    beside(tmp_path, "PRAGMA wal_checkpoint")
    size = (tmp_path / "events.db").stat().st_size
    with (tmp_path / "events.db").open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 8)
    no_writes(tmp_path, ["events.db-wal"])
    await refused(log, 100)
    await the_reason(log, "damaged")
    with pytest.raises(StorageFailed, match="restore a backup"):
        await log.append(pair(5000), event_examples.CAUSE)


async def test_a_log_whose_newest_event_is_gone_stays_closed_with_the_reason(
    log: EventLog, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    await log.append(pair(0), event_examples.CAUSE)
    beside(tmp_path, f"VACUUM INTO '{older}'")
    position = await log.append(pair(1), event_examples.CAUSE)
    no_writes(tmp_path, ["events.db", "events.db-wal"])
    for name in ("events.db-wal", "events.db-shm"):
        (tmp_path / name).unlink()
    shutil.copy(older, tmp_path / "events.db")
    await refused(log, 2)
    await the_reason(log, f"position {position}")
