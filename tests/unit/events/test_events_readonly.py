"""A log can be read without its lock, its writer, or a change to any file."""

import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.errors import LogDamaged, NotFound
from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from codara.events.store.readonly import ReadOnlyLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

USER = streams.user(event_examples.USER)


@pytest.fixture
def keys() -> FakeKeyRing:
    return FakeKeyRing()


@pytest.fixture
async def log(tmp_path: Path, keys: FakeKeyRing) -> AsyncIterator[EventLog]:
    opened = await EventLog.open(tmp_path / "events.db", keys)
    yield opened
    await opened.close()


def seen(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a folder as it is: size, time of change, contents."""
    found = {}
    for path in sorted(folder.iterdir()):
        stat = path.stat()
        found[path.name] = stat.st_size, stat.st_mtime_ns, path.read_bytes()
    return found


async def appended(log: EventLog, version: int) -> int:
    return await log.append(
        [Append(USER, version, [event_examples.user_updated()])], event_examples.CAUSE
    )


async def test_a_log_that_nobody_has_open_is_read_and_stays_as_it_is(
    tmp_path: Path, keys: FakeKeyRing, log: EventLog
) -> None:
    await appended(log, 0)
    payload = await log.seal(event_examples.USER, b"long " * 1000)
    await log.append(
        [Append(USER, 1, [event_examples.user_updated()])], event_examples.CAUSE, [payload]
    )
    expected, head = await log.read(0), log.head()
    await log.close()
    before = seen(tmp_path)
    assert not any(name.endswith(("-wal", "-shm")) for name in before)
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    assert found.log_id == log.log_id
    assert await found.read(0) == expected
    assert await found.head() == head
    assert await found.load(USER) == expected[1:]
    assert await found.last(USER) == expected[-1]
    assert await found.last("user/nobody") is None
    assert await found.open_payload(payload.ref) == b"long " * 1000
    await found.close()
    assert seen(tmp_path) == before


async def test_a_log_that_is_written_is_read_beside_its_writer(
    tmp_path: Path, keys: FakeKeyRing, log: EventLog
) -> None:
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    for version in range(5):
        position = await appended(log, version)
        assert await found.head() == position
        assert [each.position for each in await found.read(position - 1)] == [position]
    await found.close()
    assert await appended(log, 5) == 7


async def test_a_writer_that_comes_later_is_noticed(
    tmp_path: Path, keys: FakeKeyRing, log: EventLog
) -> None:
    await appended(log, 0)
    await log.close()
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    assert await found.head() == 2
    writer = await EventLog.open(tmp_path / "events.db", keys)
    await appended(writer, 1)
    assert await found.head() == 3
    assert len(await found.load(USER)) == 2
    await writer.close()
    assert await found.head() == 3
    await found.close()


async def test_private_fields_stay_sealed_where_nobody_asks_for_them(
    tmp_path: Path, keys: FakeKeyRing, log: EventLog
) -> None:
    await appended(log, 0)
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    touched = keys.opened
    [sealed] = await found.read(1, sealed=True)
    assert keys.opened == touched
    assert found.open_value(sealed.event.display_name) == event_examples.user_updated().display_name
    await found.close()


async def test_nothing_can_be_written_through_it(
    tmp_path: Path, keys: FakeKeyRing, log: EventLog
) -> None:
    await appended(log, 0)
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    await found.head()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        found._reader._connected().execute("INSERT INTO payloads VALUES ('a', 1, x'00')")
    await found.close()


async def test_it_takes_no_lock(tmp_path: Path, keys: FakeKeyRing, log: EventLog) -> None:
    await log.close()
    found = await ReadOnlyLog.open(tmp_path / "events.db", keys)
    again = await EventLog.open(tmp_path / "events.db", keys)
    await again.close()
    await found.close()
    await found.close()


async def test_no_log_and_what_is_no_log_are_told_apart(tmp_path: Path, keys: FakeKeyRing) -> None:
    with pytest.raises(NotFound, match="no log"):
        await ReadOnlyLog.open(tmp_path / "events.db", keys)
    (tmp_path / "events.db").write_bytes(os.urandom(5000))
    with pytest.raises(LogDamaged, match="cannot be read"):
        await ReadOnlyLog.open(tmp_path / "events.db", keys)
    (tmp_path / "other.db").write_bytes(b"")
    with pytest.raises(LogDamaged):
        await ReadOnlyLog.open(tmp_path / "other.db", keys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.db", "other.db"]
