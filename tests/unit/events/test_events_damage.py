"""What is stored is not what was written: it is seen, named by its position, and nothing more is
written; the rest is read as before."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from codara.errors import CodaraError, LogDamaged, StorageFailed
from codara.events.base import Append, PayloadRef
from codara.events.store import proving, recorder
from codara.events.store.digests import leaf_hash
from codara.events.store.feeder import Feeder
from codara.events.store.follower import Batches
from codara.events.store.log import EventLog
from codara.events.store.readonly import ReadOnlyLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing
from tests.old_logs import without_digests
from tests.unit.events.log_followers import Counting

EVENTS = 30
BAD = 12
"""The position that is damaged: the log opens with position 1, event N stands at N + 1."""

CAUSE = event_examples.CAUSE


def stream_at(position: int) -> str:
    return f"session/s{position % 3}"


@attrs.frozen
class Stored:
    """A log of thirty events on three streams, closed, and its payload at position 5."""

    file: Path
    keys: FakeKeyRing
    ref: PayloadRef

    async def open(self) -> EventLog:
        return await EventLog.open(self.file, self.keys)

    def change(self, *statements: str) -> None:
        """Does what the log's triggers refuse."""
        with closing(sqlite3.connect(self.file)) as database, database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            kept = database.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = [row[0] for row in kept]
            for (name,) in found.fetchall():
                database.execute(f"DROP TRIGGER {name}")
            for statement in [*statements, *triggers]:
                database.execute(statement)

    def flip(self, wanted: bytes) -> None:
        """Flips one bit of the only place in the file that holds these bytes."""
        whole = bytearray(self.file.read_bytes())
        assert whole.count(wanted) == 1
        whole[whole.index(wanted) + len(wanted) // 2] ^= 1
        self.file.write_bytes(whole)


Damage = Callable[[Stored], None]
Opens = Callable[[], Awaitable[EventLog]]


@pytest.fixture
async def stored(tmp_path: Path, keys: FakeKeyRing) -> Stored:
    log = await EventLog.open(tmp_path / "events.db", keys)
    payload = await log.seal(event_examples.USER, b"a long answer")
    versions = [0, 0, 0]
    for position in range(2, EVENTS + 2):
        number = position % 3
        fact = event_examples.turn_started(turn_id=f"trn_at_{position}_")
        if position == 5:
            fact = attrs.evolve(
                event_examples.diff_recorded(turn_id="trn_at_5_"), files_payload=payload.ref
            )
        append = Append(stream_at(position), versions[number], [fact])
        payloads = [payload] if position == 5 else []
        assert await log.append([append], event_examples.CAUSE, payloads) == position
        versions[number] += 1
    await log.close()
    return Stored(tmp_path / "events.db", keys, payload.ref)


@pytest.fixture
async def opened(stored: Stored) -> AsyncIterator[Opens]:
    """Opens the stored log when it is called; closed at the end."""
    logs = list[EventLog]()

    async def again() -> EventLog:
        logs.append(await stored.open())
        return logs[-1]

    yield again
    for log in logs:
        await log.close()


def a_flipped_bit(stored: Stored) -> None:
    stored.flip(f"trn_at_{BAD}_".encode())


def a_changed_stream(stored: Stored) -> None:
    stored.change(f"UPDATE stored_events SET originator_id = 'x/y' WHERE position = {BAD}")


def a_stream_that_is_no_text(stored: Stored) -> None:
    stored.change(
        f"UPDATE stored_events SET originator_id = CAST(x'ff73' AS TEXT) WHERE position = {BAD}"
    )


def a_changed_name(stored: Stored) -> None:
    stored.change(f"UPDATE stored_events SET topic = 'session.reset' WHERE position = {BAD}")


def a_changed_type(stored: Stored) -> None:
    stored.change(f"UPDATE stored_events SET state = CAST(state AS TEXT) WHERE position = {BAD}")


def a_swapped_pair(stored: Stored) -> None:
    stored.change(
        f"UPDATE stored_events SET position = 1000 WHERE position = {BAD}",
        f"UPDATE stored_events SET position = {BAD} WHERE position = {BAD + 3}",
        f"UPDATE stored_events SET position = {BAD + 3} WHERE position = 1000",
        "UPDATE sqlite_sequence SET seq = 31",
    )


def a_deleted_event(stored: Stored) -> None:
    stored.change(f"DELETE FROM stored_events WHERE position = {BAD}")


def a_deleted_event_and_digest(stored: Stored) -> None:
    stored.change(
        f"DELETE FROM stored_events WHERE position = {BAD}",
        f"DELETE FROM event_digests WHERE position = {BAD}",
    )


def a_missing_digest(stored: Stored) -> None:
    stored.change(f"DELETE FROM event_digests WHERE position = {BAD}")


every_damage = pytest.mark.parametrize(
    "damage",
    [
        a_flipped_bit,
        a_changed_stream,
        a_stream_that_is_no_text,
        a_changed_name,
        a_changed_type,
        a_swapped_pair,
        a_deleted_event,
        a_deleted_event_and_digest,
        a_missing_digest,
    ],
)


def far_from_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start checks the last five events only."""
    monkeypatch.setattr(recorder, "TAIL_EVENTS", 5)


async def until_it_takes_no_writes(log: EventLog) -> str:
    async with asyncio.timeout(20):
        while (trouble := log.trouble()) is None:
            await asyncio.sleep(0.005)
    assert isinstance(trouble, StorageFailed)
    return trouble.message


async def until_checked(log: EventLog) -> None:
    async with asyncio.timeout(20):
        while log.checking():
            await asyncio.sleep(0.005)


async def refused(log: EventLog) -> str:
    with pytest.raises(StorageFailed) as told:
        await log.append([Append("session/new", 0, [event_examples.turn_started()])], CAUSE)
    assert not told.value.retry_safe
    return told.value.message


@every_damage
async def test_damage_in_the_middle_is_named_by_the_check_beside_the_work(
    stored: Stored, opened: Opens, damage: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_from_the_ends(monkeypatch)
    damage(stored)
    log = await opened()
    assert f"position {BAD}" in await until_it_takes_no_writes(log)
    said = await refused(log)
    assert f"position {BAD}" in said
    assert "Stop the gateway, check the disk and restore a backup" in said
    assert any(f"position {BAD}" in each for each in log.damages())


@every_damage
async def test_damage_near_the_end_is_named_as_the_log_opens(
    stored: Stored, opened: Opens, damage: Damage
) -> None:
    damage(stored)
    log = await opened()
    assert f"position {BAD}" in await refused(log)


@every_damage
async def test_what_stands_before_and_behind_the_damage_is_read_as_before(
    stored: Stored, opened: Opens, damage: Damage
) -> None:
    damage(stored)
    log = await opened()
    before = await log.read(0)
    assert [each.position for each in before] == list(range(1, BAD))
    with pytest.raises(LogDamaged, match=f"position {BAD}"):
        await log.read(BAD - 1)
    behind = await log.read(BAD, limit=2)
    assert [each.position for each in behind] == [BAD + 1, BAD + 2]
    assert len(await log.load(stream_at(BAD + 1))) == EVENTS // 3
    with pytest.raises(LogDamaged, match=f"position {BAD}|version {(BAD + 1) // 3}"):
        await log.load(stream_at(BAD))


@every_damage
async def test_a_log_that_is_only_read_names_the_damage_too(stored: Stored, damage: Damage) -> None:
    damage(stored)
    log = await ReadOnlyLog.open(stored.file, stored.keys)
    assert [each.position for each in await log.read(0)] == list(range(1, BAD))
    with pytest.raises(LogDamaged, match=f"position {BAD}"):
        await log.read(BAD - 1)
    assert (await log.read(BAD, limit=1))[0].position == BAD + 1
    await log.close()


async def test_an_event_that_is_damaged_while_the_log_is_open_is_seen_when_it_is_read(
    stored: Stored, opened: Opens
) -> None:
    log = await opened()
    await until_checked(log)
    a_changed_name(stored)
    assert await log.last(stream_at(BAD + 1)) is not None
    with pytest.raises(LogDamaged, match=f"position {BAD}"):
        await log.load(stream_at(BAD))
    assert f"position {BAD}" in await until_it_takes_no_writes(log)


async def test_a_log_that_lost_its_newest_events_takes_no_writes(
    stored: Stored, opened: Opens
) -> None:
    stored.change("DELETE FROM stored_events WHERE position > 29")
    log = await opened()
    assert "position 30 is missing" in await refused(log)


async def test_a_log_that_lost_all_its_events_does_not_begin_again(stored: Stored) -> None:
    stored.change("DELETE FROM stored_events")
    with pytest.raises(StorageFailed, match="position 1 is missing"):
        await stored.open()


async def test_a_follower_stops_in_front_of_the_damage_and_says_why(
    stored: Stored, opened: Opens, tmp_path: Path
) -> None:
    a_flipped_bit(stored)
    log = await opened()
    follower = Counting(tmp_path / "counting.db")
    feeder = Feeder(follower, log, Batches(log).read)
    feeder.start()
    async with asyncio.timeout(20):
        while feeder.trouble is None:
            await asyncio.sleep(0.005)
    assert follower.position == BAD - 1
    assert f"position {BAD}" in feeder.trouble
    assert f"position {BAD}" in str(feeder.standing().trouble)
    await feeder.close()
    follower.close()


PAYLOADS = {
    "cut": "UPDATE payloads SET box = substr(box, 1, length(box) - 1)",
    "gone": "DELETE FROM payloads",
    "no bytes": "UPDATE payloads SET box = 'text'",
    "no digest": "DELETE FROM payload_digests",
}


@pytest.mark.parametrize("statement", PAYLOADS.values(), ids=PAYLOADS)
async def test_a_damaged_payload_is_named_with_the_position_of_its_event(
    stored: Stored, opened: Opens, statement: str
) -> None:
    stored.change(statement)
    log = await opened()
    assert "position 5" in await until_it_takes_no_writes(log)
    assert any(stored.ref.payload_id in each for each in log.damages())
    assert "position 5" in await refused(log)
    assert len(await log.read(0)) == EVENTS + 1


@pytest.mark.parametrize("kind", ["cut", "gone", "no bytes"])
async def test_a_payload_that_is_damaged_while_the_log_is_open_is_seen_when_it_is_read(
    stored: Stored, opened: Opens, kind: str
) -> None:
    log = await opened()
    assert await log.open_payload(stored.ref) == b"a long answer"
    stored.change(PAYLOADS[kind])
    with pytest.raises(LogDamaged, match=f"{stored.ref.payload_id} .*position 5"):
        await log.open_payload(stored.ref)
    assert "position 5" in await until_it_takes_no_writes(log)


def digests(stored: Stored) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(stored.file)) as database:
        return database.execute("SELECT position, hash FROM event_digests").fetchall()


async def test_a_log_of_an_earlier_version_gets_the_same_digests(
    stored: Stored, opened: Opens
) -> None:
    written = digests(stored)
    without_digests(stored.file)
    log = await opened()
    assert len(await log.read(0)) == EVENTS + 1
    assert await log.open_payload(stored.ref) == b"a long answer"
    async with asyncio.timeout(20):
        while digests(stored) != written:
            await asyncio.sleep(0.005)
    await log.append([Append("session/new", 0, [event_examples.turn_started()])], CAUSE)
    await log.close()
    assert digests(stored)[:-1] == written


async def test_proving_goes_on_where_it_was_stopped_and_counts_what_is_left(
    stored: Stored, opened: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_digests(stored.file)
    monkeypatch.setattr("codara.events.store.checker.EVENTS_AT_ONCE", 10)
    monkeypatch.setattr(proving, "PAUSE_SECONDS", 3600.0)
    log = await opened()
    async with asyncio.timeout(20):
        while not digests(stored):
            await asyncio.sleep(0.005)
    await log.append([Append("session/new", 0, [event_examples.turn_started()])], CAUSE)
    async with asyncio.timeout(20):
        while "up to event 10 of 31; 21 events" not in str(log.checking()):
            await asyncio.sleep(0.005)
    await log.close()
    assert [position for position, _ in digests(stored)] == [*range(1, 11), 32]
    monkeypatch.setattr(proving, "PAUSE_SECONDS", 0.0)
    again = await opened()
    await again.append([Append("session/new", 1, [event_examples.turn_started()])], CAUSE)
    async with asyncio.timeout(20):
        while len(digests(stored)) < EVENTS + 3:
            await asyncio.sleep(0.005)
    await until_checked(again)
    assert again.damages() == []


async def test_a_digest_that_is_lost_after_proving_is_damage(stored: Stored, opened: Opens) -> None:
    without_digests(stored.file)
    log = await opened()
    async with asyncio.timeout(20):
        while not marked(stored):
            await asyncio.sleep(0.005)
    await log.close()
    a_missing_digest(stored)
    again = await opened()
    assert f"position {BAD}" in await refused(again)


def marked(stored: Stored) -> bool:
    with closing(sqlite3.connect(stored.file)) as database:
        return len(database.execute("SELECT name FROM digest_marks").fetchall()) == 3


async def test_an_old_event_that_is_none_is_not_given_a_digest(
    stored: Stored, opened: Opens
) -> None:
    without_digests(stored.file)
    stored.change(f"UPDATE stored_events SET state = x'00' WHERE position = {BAD}")
    log = await opened()
    assert f"position {BAD}" in await until_it_takes_no_writes(log)
    assert BAD not in dict(digests(stored))


async def test_a_log_of_an_earlier_version_can_be_read_without_being_changed(
    stored: Stored,
) -> None:
    without_digests(stored.file)
    before = stored.file.read_bytes()
    log = await ReadOnlyLog.open(stored.file, stored.keys)
    assert len(await log.read(0)) == EVENTS + 1
    assert len(await log.load(stream_at(BAD))) == EVENTS // 3
    assert await log.open_payload(stored.ref) == b"a long answer"
    await log.close()
    assert stored.file.read_bytes() == before


async def test_an_event_that_the_index_of_streams_lost_is_named(
    stored: Stored, opened: Opens
) -> None:
    with closing(sqlite3.connect(stored.file)) as database:
        index = "SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_stored%'"
        [(page,)] = database.execute(index)
        [(size,)] = database.execute("PRAGMA page_size")
    whole = bytearray(stored.file.read_bytes())
    whole[whole.index(b"session/s2", (page - 1) * size, page * size) + 9] ^= 1
    stored.file.write_bytes(whole)
    log = await opened()
    assert "not found by its stream" in await until_it_takes_no_writes(log)
    assert "(session/s2, version" in str(log.damages())
    assert len(await log.read(0)) == EVENTS + 1


@pytest.mark.parametrize("percent", range(5, 100, 9))
async def test_flipped_bytes_are_found_wherever_they_are(
    tmp_path: Path, keys: FakeKeyRing, percent: int
) -> None:
    log = await EventLog.open(tmp_path / "events.db", keys)
    streams = [Append(f"session/{n}", 0, [event_examples.turn_requested()]) for n in range(400)]
    await log.append(streams, CAUSE)
    before = await log.read(0, limit=1_000)
    await log.close()
    whole = bytearray((tmp_path / "events.db").read_bytes())
    start = len(whole) * percent // 100
    whole[start : start + 64] = bytes(byte ^ 0xFF for byte in whole[start : start + 64])
    (tmp_path / "events.db").write_bytes(whole)
    try:
        again = await EventLog.open(tmp_path / "events.db", keys)
    except CodaraError as error:
        assert "restore a backup" in error.message
        return
    try:
        assert "position" in await until_it_takes_no_writes(again)
        read = await again.read(0, limit=1_000)
        assert read == before[: len(read)]
    finally:
        await again.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO stored_events VALUES (32, 'z', 1, 't', 'x')",
        "INSERT INTO payloads VALUES ('pay_z', 0, 'x')",
    ],
)
def test_an_earlier_version_cannot_write_without_digests(stored: Stored, statement: str) -> None:
    with (
        closing(sqlite3.connect(stored.file)) as database,
        pytest.raises(sqlite3.IntegrityError, match="a version that writes digests"),
    ):
        database.execute(statement)


def test_the_digest_of_an_event_is_the_leaf_hash_of_rfc_6962() -> None:
    leaf = (
        b"\x00\x00\x00\x0c"  # twelve bytes of stream
        b"\x00\x00\x00\x00\x00\x00\x00\x07"  # version 7
        b"\x00\x00\x00\x09"  # nine bytes of name
        b"\x00\x00\x00\x02"  # two stored bytes
        b"session/s\xc3\xa9s"
        b"some.name"
        b"{}"
    )
    expected = hashlib.sha256(b"\x00" + leaf).digest()
    assert leaf_hash("session/sés", 7, "some.name", b"{}") == expected
