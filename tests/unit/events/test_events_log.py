"""The log as its callers know it."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from codara.errors import LogDamaged, LogLocked, NotFound, ShuttingDown, VersionClash
from codara.events.base import Append, Sealed
from codara.events.store.log import EventLog
from codara.events.store.mapper import EventTooLarge
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.ids import CountingIds
from tests.fakes.keyring import FakeKeyRing


def opened(stream: str = "session/ses_1", expected: int = 0, **changes: Any) -> Append:
    return Append(stream, expected, [event_examples.session_opened(**changes)])


async def test_the_first_event_of_a_log_says_which_log_it_is(log: EventLog) -> None:
    [first] = await log.read(0)
    assert (first.position, first.stream, first.version) == (1, "log", 1)
    assert first.event == event_examples.log_opened(log_id=log.log_id, format=1)
    assert log.head() == 1


async def test_a_log_is_the_same_when_it_is_opened_again(tmp_path: Path, keys: FakeKeyRing) -> None:
    before = await EventLog.open(tmp_path / "events.db", keys)
    await before.append([opened()], event_examples.CAUSE)
    await before.close()
    after = await EventLog.open(tmp_path / "events.db", keys)
    assert (after.log_id, after.head()) == (before.log_id, 2)
    with pytest.raises(VersionClash):
        await after.append([opened()], event_examples.CAUSE)
    await after.close()


async def test_what_was_appended_is_read_back(tmp_path: Path, keys: FakeKeyRing) -> None:
    log = await EventLog.open(
        tmp_path / "events.db", keys, new_id=CountingIds(), clock=FixedClock()
    )
    position = await log.append(
        [
            Append(
                "session/ses_1",
                0,
                [event_examples.session_opened(), event_examples.turn_requested()],
            ),
            Append("workspace/wsp_1", 0, [event_examples.workspace_locked()]),
        ],
        event_examples.CAUSE,
    )
    read = await log.read(1)
    await log.close()
    assert position == 4
    assert [(one.position, one.stream, one.version) for one in read] == [
        (2, "session/ses_1", 1),
        (3, "session/ses_1", 2),
        (4, "workspace/wsp_1", 1),
    ]
    assert read[1].event == event_examples.turn_requested()
    assert read[1].metadata == event_examples.metadata(event_id="evt_3", causation_id="evt_0")


async def test_several_streams_are_written_together_or_not_at_all(log: EventLog) -> None:
    await log.append([opened()], event_examples.CAUSE)
    with pytest.raises(VersionClash) as clash:
        await log.append([opened("session/ses_2"), opened()], event_examples.CAUSE)
    assert clash.value.stream == "session/ses_1"
    assert await log.load("session/ses_2") == []
    assert log.head() == 2


async def test_of_racing_appends_exactly_one_wins(log: EventLog) -> None:
    races = [log.append([opened()], event_examples.CAUSE) for _ in range(50)]
    outcomes = await asyncio.gather(*races, return_exceptions=True)
    won = [outcome for outcome in outcomes if isinstance(outcome, int)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, VersionClash)]
    assert (len(won), len(lost)) == (1, 49)
    assert len(await log.load("session/ses_1")) == 1


async def test_a_chain_of_one_stream_commits(log: EventLog) -> None:
    chain = [log.queue([opened(expected=version)], event_examples.CAUSE) for version in range(7)]
    assert await asyncio.gather(*chain) == [2, 3, 4, 5, 6, 7, 8]


async def test_a_failed_head_fails_the_chain_and_no_one_else(log: EventLog) -> None:
    await log.append([opened()], event_examples.CAUSE)
    chain = [log.queue([opened(expected=version)], event_examples.CAUSE) for version in (0, 2, 3)]
    other = log.queue([opened("session/ses_2")], event_examples.CAUSE)
    outcomes = await asyncio.gather(*chain, return_exceptions=True)
    assert all(isinstance(outcome, VersionClash) for outcome in outcomes)
    assert await other == 3
    assert len(await log.load("session/ses_1")) == 1


async def test_a_cancelled_append_is_still_written(log: EventLog) -> None:
    appending = asyncio.ensure_future(log.append([opened()], event_examples.CAUSE))
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    await log.wait_past(1)
    assert len(await log.load("session/ses_1")) == 1


async def test_a_stream_is_loaded_from_where_its_book_was_closed(log: EventLog) -> None:
    await log.append(
        [
            Append(
                "session/ses_1",
                0,
                [
                    event_examples.session_opened(),
                    event_examples.turn_requested(),
                    event_examples.turn_cancelled(),
                    event_examples.turn_requested(turn_id="trn_2"),
                    event_examples.turn_started(turn_id="trn_2"),
                ],
            )
        ],
        event_examples.CAUSE,
    )

    async def versions(*since: str) -> list[int]:
        loaded = await log.load("session/ses_1", since=frozenset(since))
        return [one.version for one in loaded]

    assert await versions() == [1, 2, 3, 4, 5]
    assert await versions("session.turn_requested") == [4, 5]
    assert await versions("session.opened", "session.turn_cancelled") == [3, 4, 5]
    assert await versions("session.reset") == [1, 2, 3, 4, 5]
    last = await log.last("session/ses_1")
    assert last is not None
    assert last.version == 5
    assert await log.last("session/none") is None


async def test_reading_is_bounded_on_both_sides(log: EventLog) -> None:
    for version in range(6):
        await log.append([opened(expected=version)], event_examples.CAUSE)

    async def positions(after: int, **bounds: int) -> list[int]:
        return [one.position for one in await log.read(after, **bounds)]

    assert await positions(0) == [1, 2, 3, 4, 5, 6, 7]
    assert await positions(2, limit=2) == [3, 4]
    assert await positions(2, until=5) == [3, 4, 5]
    assert await positions(7) == []


async def test_a_sealed_reading_opens_later(log: EventLog, keys: FakeKeyRing) -> None:
    await log.append([opened()], event_examples.CAUSE)
    [recorded] = await log.read(1, sealed=True)
    sealed = recorded.event.client_session_id
    assert isinstance(sealed, Sealed)
    assert (
        log.open_value(Sealed.parse(str(sealed)))
        == event_examples.session_opened().client_session_id
    )
    keys.forget(event_examples.USER)
    assert log.open_value(sealed) is None


async def test_waiting_misses_no_append(log: EventLog) -> None:
    async def follow() -> list[int]:
        seen: list[int] = []
        while len(seen) < 201:
            last = seen[-1] if seen else 0
            await log.wait_past(last)
            seen += [one.position for one in await log.read(last, limit=7)]
        return seen

    following = asyncio.ensure_future(follow())
    for number in range(40):
        await asyncio.gather(
            *(log.append([opened(f"session/{number}-{n}")], event_examples.CAUSE) for n in range(5))
        )
    assert await following == list(range(1, 202))


async def test_whoever_waits_hears_that_the_log_closes(tmp_path: Path, keys: FakeKeyRing) -> None:
    log = await EventLog.open(tmp_path / "events.db", keys)
    waiting = asyncio.ensure_future(log.wait_past(99))
    queued = log.queue([opened()], event_examples.CAUSE)
    await asyncio.sleep(0)
    await log.close()
    assert await queued == 2
    with pytest.raises(ShuttingDown):
        await waiting
    with pytest.raises(ShuttingDown):
        log.queue([opened(expected=1)], event_examples.CAUSE)
    await log.close()


async def test_a_log_belongs_to_one_gateway(
    log: EventLog, tmp_path: Path, keys: FakeKeyRing
) -> None:
    with pytest.raises(LogLocked, match=f"process {os.getpid()} holds the log .*events.db"):
        await EventLog.open(tmp_path / "events.db", keys)
    assert await log.append([opened()], event_examples.CAUSE) == 2


async def test_a_file_that_is_no_log_is_damage_and_stays_unlocked(
    tmp_path: Path, keys: FakeKeyRing
) -> None:
    file = tmp_path / "events.db"
    file.write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(LogDamaged, match="restore a backup"):
            await EventLog.open(file, keys)


async def test_an_event_that_is_too_large_is_refused_at_once(log: EventLog) -> None:
    huge = opened(client_session_id="x" * 70_000)
    with pytest.raises(EventTooLarge):
        log.queue([huge], event_examples.CAUSE)
    assert await log.append([opened()], event_examples.CAUSE) == 2


async def test_nothing_private_is_in_the_file(log: EventLog, tmp_path: Path) -> None:
    appends = [
        Append(f"every/{number}", 0, [event_examples.example(event_class)])
        for number, event_class in enumerate(event_examples.EXAMPLES)
    ]
    payload = await log.seal(event_examples.USER, b"Ada's secret")
    await log.append(appends, event_examples.CAUSE, [payload])
    await log.close()
    assert b"Ada" not in (tmp_path / "events.db").read_bytes()


@pytest.mark.parametrize("size", [0, 10, 16 * 1024, 200_000, 256 * 1024, 3_000_000])
async def test_a_payload_comes_back_as_it_was(log: EventLog, size: int) -> None:
    data = os.urandom(size)
    payload = await log.seal(event_examples.USER, data)
    await log.append([opened()], event_examples.CAUSE, [payload])
    assert payload.ref.size == size
    assert await log.open_payload(payload.ref) == data


async def test_a_small_payload_is_written_with_its_event_only(log: EventLog) -> None:
    await log.append([opened()], event_examples.CAUSE)
    payload = await log.seal(event_examples.USER, b"small")
    with pytest.raises(VersionClash):
        await log.append([opened()], event_examples.CAUSE, [payload])
    with pytest.raises(LogDamaged, match="missing"):
        await log.open_payload(payload.ref)


async def test_a_payload_is_gone_with_its_key(log: EventLog, keys: FakeKeyRing) -> None:
    payload = await log.seal(event_examples.USER, b"secret" * 100_000)
    keys.forget(event_examples.USER)
    with pytest.raises(NotFound, match="erased"):
        await log.open_payload(payload.ref)


async def test_a_reader_beside_the_log_sees_what_is_committed(log: EventLog) -> None:
    appended = [
        log.append([opened(f"session/{number}")], event_examples.CAUSE) for number in range(20)
    ]
    for position in await asyncio.gather(*appended):
        assert await log.read(position - 1, limit=1)
