"""Group commit: what shares a transaction, and what happens when the disk says no."""

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from codara.errors import LogDamaged, Overloaded, ShuttingDown, StorageFailed, StorageFull
from codara.events.base import Append
from codara.events.store import writer as writing
from codara.events.store.groups import Fate, Group
from codara.events.store.log import EventLog
from codara.events.store.writer import Writer
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing


class SlowRecorder:
    """Stands still until it is let go; remembers what shared a transaction."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.free = threading.Event()
        self.error: Exception | None = None
        self.reopened = threading.Event()
        self.reopening: Exception | None = None
        self._position = 0

    def reopen(self) -> None:
        self.reopened.set()
        if self.reopening is not None:
            raise self.reopening

    def insert_groups(self, groups: Sequence[Group]) -> list[Fate]:
        self.free.wait(10)
        if self.error is not None:
            raise self.error
        self.batches.append(len(groups))
        first = self._position + 1
        self._position += len(groups)
        return list(range(first, self._position + 1))


def error(code: int, text: str) -> sqlite3.Error:
    found = sqlite3.OperationalError(text)
    found.sqlite_errorcode = code
    return found


def group(size: int = 10) -> Group:
    return Group([StoredEvent("a", 1, "thing.done", b"x" * size)])


@pytest.fixture
def recorder() -> SlowRecorder:
    return SlowRecorder()


@pytest.fixture
async def writer(recorder: SlowRecorder, tmp_path: Path):
    heads: list[int] = []
    committed: list[StoredEvent] = []

    def note(last: int, events: Sequence[StoredEvent]) -> None:
        heads.append(last)
        committed.extend(events)

    made = Writer(recorder, tmp_path, note, recorder.reopen)
    made.heads, made.committed = heads, committed
    yield made
    recorder.free.set()
    await made.close()


async def test_what_waits_shares_the_next_transaction(
    writer: Writer, recorder: SlowRecorder
) -> None:
    first = writer.submit(group())
    rest = [writer.submit(group()) for _ in range(20)]
    recorder.free.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == list(range(2, 22))
    assert sum(recorder.batches) == 21
    assert len(recorder.batches) <= 2


@pytest.mark.parametrize(("count", "size"), [(2500, 1), (40, 200_000)])
async def test_a_transaction_is_bounded_in_events_and_in_bytes(
    writer: Writer, recorder: SlowRecorder, count: int, size: int
) -> None:
    waiting = [writer.submit(group(size)) for _ in range(count)]
    recorder.free.set()
    await asyncio.gather(*waiting)
    assert max(recorder.batches) <= min(1000, 2 + writing.BATCH_BYTES // size)


async def test_the_head_moves_before_the_callers_hear_of_it(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.free.set()
    position = await writer.submit(group())
    assert writer.heads[-1] == position


async def test_a_lingering_group_shares_the_next_ones_transaction(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.free.set()
    first = writer.submit(group(), linger=True)
    second = writer.submit(group())
    assert await asyncio.gather(first, second) == [1, 2]
    assert recorder.batches == [2]


async def test_a_lingering_group_that_stays_alone_is_written_all_the_same(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.free.set()
    assert await writer.submit(group(), linger=True) == 1
    assert await writer.submit(group(), linger=True) == 2


async def test_closing_writes_what_lingers(recorder: SlowRecorder, tmp_path: Path) -> None:
    writer = Writer(recorder, tmp_path, lambda last, events: None, recorder.reopen)
    lingering = writer.submit(group(), linger=True)
    recorder.free.set()
    await writer.close()
    assert await lingering == 1


async def test_whoever_follows_is_handed_the_events_in_their_order(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.free.set()
    groups = [group(size) for size in range(1, 6)]
    await asyncio.gather(*(writer.submit(each) for each in groups))
    assert writer.committed == [stored for each in groups for stored in each.events]
    assert writer.heads[-1] == len(groups)


async def test_too_much_waiting_is_refused(
    writer: Writer, recorder: SlowRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WAITING_GROUPS", 3)
    waiting = [writer.submit(group()) for _ in range(3)]
    with pytest.raises(Overloaded) as refused:
        writer.submit(group())
    assert refused.value.retry_after
    recorder.free.set()
    await asyncio.gather(*waiting)
    assert await writer.submit(group()) == 4


async def test_a_full_disk_fails_the_whole_batch_and_is_told(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.error = error(sqlite3.SQLITE_FULL, "database or disk is full")
    waiting = [writer.submit(group()) for _ in range(3)]
    recorder.free.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, StorageFull) for outcome in outcomes)
    assert isinstance(writer.trouble(), StorageFull)
    recorder.error = None
    assert await writer.submit(group()) == 1
    assert writer.trouble() is None


FAILURES = [
    (sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"),
    (sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"),
    (sqlite3.SQLITE_CANTOPEN, "unable to open database file"),
    (sqlite3.SQLITE_CORRUPT, "database disk image is malformed"),
    (sqlite3.SQLITE_NOTADB, "file is not a database"),
    (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is given no time to come to itself."""
    monkeypatch.setattr(writing, "REOPEN_SECONDS", 0.01)


@pytest.mark.parametrize(("code", "text"), FAILURES)
async def test_a_disk_that_fails_is_no_full_disk(
    writer: Writer, recorder: SlowRecorder, code: int, text: str
) -> None:
    recorder.error = error(code, text)
    recorder.free.set()
    with pytest.raises(StorageFailed, match=text) as refused:
        await writer.submit(group())
    assert refused.value.retry_after
    assert isinstance(writer.trouble(), StorageFailed)


async def test_nothing_is_written_to_a_disk_that_fails_before_its_files_were_checked(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.error = error(sqlite3.SQLITE_IOERR, "disk I/O error")
    recorder.free.set()
    with pytest.raises(StorageFailed):
        await writer.submit(group())
    recorder.error = None
    with pytest.raises(StorageFailed):
        await writer.submit(group())
    assert recorder.batches == []


async def test_files_that_were_checked_are_written_to_again(
    writer: Writer, recorder: SlowRecorder, at_once: None
) -> None:
    recorder.error = error(sqlite3.SQLITE_IOERR, "disk I/O error")
    recorder.free.set()
    with pytest.raises(StorageFailed):
        await writer.submit(group())
    recorder.error = None
    await until_well(writer)
    assert await writer.submit(group()) == 1


async def test_files_that_cannot_be_opened_yet_are_tried_again(
    writer: Writer, recorder: SlowRecorder, at_once: None
) -> None:
    recorder.error = recorder.reopening = error(sqlite3.SQLITE_IOERR, "disk I/O error")
    recorder.free.set()
    with pytest.raises(StorageFailed):
        await writer.submit(group())
    await asyncio.to_thread(recorder.reopened.wait, 10)
    recorder.reopened.clear()
    await asyncio.to_thread(recorder.reopened.wait, 10)
    recorder.error = recorder.reopening = None
    await until_well(writer)
    assert await writer.submit(group()) == 1


async def test_files_that_are_not_what_was_written_stay_closed(
    writer: Writer, recorder: SlowRecorder, at_once: None
) -> None:
    recorder.error = error(sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
    recorder.reopening = LogDamaged("page 7 is not a page")
    recorder.free.set()
    with pytest.raises(StorageFailed):
        await writer.submit(group())
    recorder.error = None
    await the_reason(writer, "page 7")
    recorder.reopened.clear()
    with pytest.raises(StorageFailed, match=r"page 7.*restore a backup") as refused:
        await writer.submit(group())
    assert not refused.value.retry_safe
    assert not recorder.reopened.is_set()


async def test_whoever_cannot_read_the_log_has_its_files_opened_again(
    writer: Writer, recorder: SlowRecorder, at_once: None
) -> None:
    recorder.free.set()
    writer.suspect(error(sqlite3.SQLITE_IOERR_READ, "disk I/O error"))
    await asyncio.to_thread(recorder.reopened.wait, 10)
    await until_well(writer)
    assert await writer.submit(group()) == 1


async def until_well(writer: Writer) -> None:
    async with asyncio.timeout(10):
        while writer.trouble() is not None:
            await asyncio.sleep(0.005)


async def the_reason(writer: Writer, words: str) -> None:
    async with asyncio.timeout(10):
        while words not in str(writer.trouble()):
            await asyncio.sleep(0.005)


async def test_an_error_nobody_thought_of_ends_no_thread(
    writer: Writer, recorder: SlowRecorder
) -> None:
    recorder.error = RuntimeError("surprise")
    recorder.free.set()
    with pytest.raises(LogDamaged, match="surprise"):
        await writer.submit(group())
    recorder.error = None
    assert await writer.submit(group()) == 1
    assert writer.trouble() is None


async def test_a_cancelled_caller_does_not_stop_the_others(
    writer: Writer, recorder: SlowRecorder
) -> None:
    gone, stays = writer.submit(group()), writer.submit(group())
    gone.cancel()
    recorder.free.set()
    assert await stays == 2


async def test_a_closed_writer_has_written_what_was_queued(
    recorder: SlowRecorder, tmp_path: Path
) -> None:
    writer = Writer(recorder, tmp_path, lambda last, events: None, recorder.reopen)
    waiting = [writer.submit(group()) for _ in range(5)]
    recorder.free.set()
    await writer.close()
    assert await asyncio.gather(*waiting) == [1, 2, 3, 4, 5]
    with pytest.raises(ShuttingDown):
        writer.submit(group())


class SmallTmpfs:
    """A file system of 2 MiB, where we may mount one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)

    def fill(self, leaving: int = 64 * 1024) -> None:
        room = shutil.disk_usage(self.folder).free - leaving
        (self.folder / "filler").write_bytes(b"x" * room)

    def make_room(self) -> None:
        (self.folder / "filler").unlink()

    def remove(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True, capture_output=True)


class SmallFiles:
    """Anywhere: no file of this process may grow beyond what the log has now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, leaving: int = 64 * 1024) -> None:
        size = max(file.stat().st_size for file in self.folder.iterdir()) + leaving
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self._before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    remove = make_room


@pytest.fixture(params=[SmallTmpfs, SmallFiles])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallTmpfs | SmallFiles]:
    kind: Callable[[Path], SmallTmpfs | SmallFiles] = request.param
    try:
        made = kind(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        made = SmallFiles(tmp_path / "files")
    yield made
    made.remove()


async def test_a_full_disk_refuses_whole_appends_until_there_is_room(
    disk: SmallTmpfs | SmallFiles, keys: FakeKeyRing
) -> None:
    log = await EventLog.open(disk.folder / "events.db", keys)
    disk.fill()
    kept, refused = await append_until_full(log)
    assert isinstance(log.trouble(), StorageFull)
    assert "make room" in str(refused)
    assert log.head() == 1 + 2 * kept
    assert len(await log.read(0, limit=10_000)) == log.head()

    disk.make_room()
    if isinstance(disk, SmallTmpfs):
        assert log.trouble() is None
    position = await log.append(pair(kept), event_examples.CAUSE)
    assert position == 3 + 2 * kept
    assert log.trouble() is None
    await log.close()

    again = await EventLog.open(disk.folder / "events.db", keys)
    read = await again.read(0, limit=10_000)
    assert [one.position for one in read] == list(range(1, position + 1))
    await again.close()


async def test_a_log_cannot_begin_on_a_full_disk_but_later(
    disk: SmallTmpfs | SmallFiles, keys: FakeKeyRing
) -> None:
    (disk.folder / "some").write_bytes(b"x")
    disk.fill(leaving=4096)
    with pytest.raises(StorageFull, match="make room"):
        await EventLog.open(disk.folder / "events.db", keys)
    disk.make_room()
    log = await EventLog.open(disk.folder / "events.db", keys)
    assert log.head() == 1
    await log.close()


async def append_until_full(log: EventLog) -> tuple[int, StorageFull]:
    for kept in range(1000):
        try:
            await log.append(pair(kept), event_examples.CAUSE)
        except StorageFull as refused:
            return kept, refused
    raise AssertionError("the disk never filled up")


def pair(number: int) -> list[Append]:
    """Two streams in one append, so that half of it could be missing."""
    prompt = "x" * 8_000
    return [
        Append(f"session/a{number}", 0, [event_examples.turn_requested(prompt=prompt)]),
        Append(f"session/b{number}", 0, [event_examples.turn_requested(prompt=prompt)]),
    ]
