"""Following the log: nothing lost, nothing twice, and trouble is told until it is over."""

import asyncio
import logging
import sqlite3
import weakref
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as where
from hypothesis import strategies as st
from log_followers import FAILS, Counting, Sometimes, at, nothing_wrong, until, write

from codara.errors import LogDamaged, ShuttingDown, StorageFull
from codara.events.base import Recorded
from codara.events.store import feeder as feeders
from codara.events.store import follower as followers
from codara.events.store.feeder import Feeder
from codara.events.store.follower import Batches, Lag, words_of
from codara.events.store.log import EventLog


@pytest.fixture
def counting(tmp_path: Path) -> Any:
    counting = Counting(tmp_path / "counting.db")
    yield counting
    counting.close()


@pytest.fixture
async def feeder(log: EventLog, counting: Counting) -> AsyncIterator[Feeder[Recorded]]:
    feeder = feeds(log, counting)
    yield feeder
    await feeder.close()


def feeds(log: EventLog, follower: Any, reads: Any = None, **options: Any) -> Feeder[Recorded]:
    read = Batches(reads or log).read
    return Feeder(follower, log, read, **{"first": 0.001, "longest": 0.004, **options})


def all_of(log: EventLog) -> list[int]:
    return list(range(1, log.head() + 1))


# ---------------------------------------------------------------- what comes is taken


async def test_everything_is_taken_once_in_its_order(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    await write(log, 600)
    feeder.start()
    feeder.start()
    last = await write(log, 3)
    await until(lambda: counting.position == last)
    assert counting.seen == all_of(log)
    assert max(counting.batches) <= followers.BATCH


async def test_what_comes_while_it_works_is_taken_next(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    counting.gate = asyncio.Event()
    feeder.start()
    await until(lambda: counting.batches == [1])
    last = await write(log, 5)
    counting.gate.set()
    await until(lambda: counting.position == last)
    assert counting.seen == all_of(log)
    assert counting.batches == [1, 5]


async def test_catching_up_ends_where_it_was_told(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    await write(log, 9)
    await feeder.catch_up(4)
    assert counting.position == 4
    await feeder.catch_up()
    assert counting.seen == all_of(log)


async def test_catching_up_raises_what_is_wrong(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    counting.wrong = at(1)
    with pytest.raises(ValueError, match="secret"):
        await feeder.catch_up()


async def test_catching_up_beside_the_task_takes_nothing_twice(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    await write(log, 400)
    feeder.start()
    await asyncio.gather(*(feeder.catch_up() for _ in range(4)))
    assert counting.seen == all_of(log)


async def test_a_follower_made_again_goes_on_where_it_was(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded], tmp_path: Path
) -> None:
    counting.gate = asyncio.Event()
    counting.gate.set()
    await feeder.catch_up()
    counting.gate.clear()
    await write(log, 5)
    feeder.start()
    await until(lambda: len(counting.batches) == 2)
    await feeder.close()
    again = Counting(tmp_path / "counting.db")
    assert again.seen == [1]
    await feeds(log, again).catch_up()
    assert again.seen == all_of(log)
    again.close()


async def test_never_more_than_one_batch_is_in_memory(log: EventLog) -> None:
    class Held(list[Recorded]):
        pass

    class Forgetful:
        name, position = "forgetful", 0

        async def take(self, batch: Sequence[Recorded]) -> None:
            self.position = batch[-1].position

    held: list[weakref.ref[Held]] = []

    async def read(after: int, until: int) -> Sequence[Recorded]:
        assert [each for each in held if each() is not None] == []
        batch = Held(await log.read(after, limit=100, until=until, sealed=True))
        held.append(weakref.ref(batch))
        return batch

    await write(log, 1_000)
    feeder = Feeder(Forgetful(), log, read)
    await feeder.catch_up()
    assert len(held) > 10


async def test_a_refused_batch_is_not_kept_in_memory_either(log: EventLog) -> None:
    class Held(list[Recorded]):
        pass

    class Refusing:
        name, position = "refusing", 0

        async def take(self, batch: Sequence[Recorded]) -> None:
            raise ValueError

    held: list[weakref.ref[Held]] = []

    async def read(after: int, until: int) -> Sequence[Recorded]:
        batch = Held(await log.read(after, limit=100, until=until, sealed=True))
        held.append(weakref.ref(batch))
        return batch

    feeder = Feeder(Refusing(), log, read, essential=False)
    feeder.start()
    await until(lambda: feeder.trouble is not None)
    assert held[0]() is None
    await feeder.close()


async def test_two_at_the_same_place_decode_a_batch_once(log: EventLog, tmp_path: Path) -> None:
    reads = Sometimes(log)
    batches = Batches(reads)
    pair = [Counting(tmp_path / f"{n}.db") for n in range(2)]
    feeding = [Feeder(each, log, batches.read) for each in pair]
    for each in feeding:
        each.start()
    await until(lambda: all(each.position == 1 for each in pair))
    before = reads.reads
    for _ in range(5):
        await write(log, 2)
        await until(lambda: all(each.position == log.head() for each in pair))
    assert reads.reads == before + 5
    for follower, each in zip(pair, feeding, strict=True):
        await each.close()
        assert follower.seen == all_of(log)
        follower.close()


# ---------------------------------------------------------------- trouble


async def test_it_stops_before_an_event_it_cannot_take_and_tries_again(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    last = await write(log, 10)
    counting.wrong = at(7)
    feeder.start()
    await until(lambda: counting.position == 6 and len(counting.batches) > 20)
    standing = feeder.standing()
    assert (standing.name, standing.position, standing.essential) == ("counting", 6, True)
    assert standing.trouble == "ValueError"
    assert counting.seen == [1, 2, 3, 4, 5, 6]
    counting.wrong = nothing_wrong
    await until(lambda: counting.position == last)
    assert counting.seen == all_of(log)
    assert feeder.standing().trouble is None
    last = await write(log, 4)
    await until(lambda: counting.position == last)
    assert counting.batches[-1] == 4


async def test_a_log_that_cannot_be_read_is_read_again(log: EventLog, counting: Counting) -> None:
    reads = Sometimes(log)
    feeder = feeds(log, counting, reads)
    reads.broken = FAILS
    feeder.start()
    await until(lambda: reads.reads > 3)
    assert feeder.standing().trouble == "StorageFailed: the log's files fail"
    reads.broken = LogDamaged("broken")
    await until(lambda: feeder.failing is LogDamaged)
    reads.broken = None
    await until(lambda: counting.position == log.head())
    assert (feeder.trouble, feeder.failing, feeder.ended) == (None, None, False)
    await feeder.close()


async def test_it_rests_longer_and_longer_until_it_succeeds(
    log: EventLog, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    async def rest(_: Any, seconds: float) -> None:
        rests.append(seconds)
        counting.wrong = at(1) if len(rests) < 8 else at(2)
        if len(rests) == 9:
            raise ShuttingDown("enough")

    monkeypatch.setattr(Feeder, "_rest", rest)
    counting.wrong = at(1)
    await write(log, 1)
    feeder = feeds(log, counting, first=1.0, longest=60.0)
    feeder.start()
    await until(lambda: feeder.ended)
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 1]


async def test_a_trouble_is_logged_once_however_long_it_lasts(
    log: EventLog,
    counting: Counting,
    feeder: Feeder[Recorded],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    counting.wrong = at(1)
    feeder.start()
    await until(lambda: len(counting.batches) > 10)
    counting.wrong = nothing_wrong
    await until(lambda: counting.position == 1)
    assert [each.getMessage() for each in caplog.records if "counting" in each.getMessage()] == [
        "counting does not follow the log: ValueError",
        "counting follows the log again",
    ]


async def test_whoever_asks_to_hears_when_trouble_begins_and_ends(
    log: EventLog, counting: Counting
) -> None:
    heard: list[tuple[str | None, bool]] = []
    feeder: Feeder[Recorded]
    feeder = feeds(log, counting, on_change=lambda: heard.append((feeder.trouble, feeder.ended)))
    counting.wrong = at(1)
    feeder.start()
    await until(lambda: bool(heard))
    counting.wrong = nothing_wrong
    await until(lambda: counting.position == 1)
    await feeder.close()
    assert heard[0] == ("ValueError", False)
    assert heard[-2:] == [(None, False), (None, True)]


async def test_one_that_does_not_move_is_in_trouble(log: EventLog) -> None:
    class Lazy:
        name, position, taken = "lazy", 0, 0

        async def take(self, batch: Sequence[Recorded]) -> None:
            self.taken += 1

    lazy = Lazy()
    feeder = feeds(log, lazy)
    feeder.start()
    await until(lambda: lazy.taken > 3)
    assert feeder.failing is RuntimeError
    await feeder.close()


async def test_a_log_that_lacks_its_end_is_no_reason_to_be_content(
    log: EventLog, counting: Counting
) -> None:
    async def nothing(after: int, until: int) -> Sequence[Recorded]:
        return ()

    feeder = Feeder(counting, log, nothing, first=60.0)
    feeder.start()
    await until(lambda: feeder.failing is LogDamaged)
    await feeder.close()


async def test_a_cancellation_from_inside_is_a_trouble_and_no_end(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    counting.wrong = at(1, error=asyncio.CancelledError())  # type: ignore[arg-type]
    feeder.start()
    await until(lambda: feeder.trouble is not None)
    counting.wrong = nothing_wrong
    await until(lambda: counting.position == 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StorageFull("no room"), "StorageFull: no room"),
        (sqlite3.OperationalError("disk is full"), "OperationalError: disk is full"),
        (
            FileNotFoundError(2, "of tok_1", "/tok_2"),
            "FileNotFoundError: No such file or directory",
        ),
        (ConnectionError("https://example.org/?token=tok_3"), "ConnectionError"),
        (ValueError("Bearer tok_4"), "ValueError"),
    ],
)
def test_trouble_is_told_without_secrets(error: Exception, words: str) -> None:
    assert words_of(error) == words


# ---------------------------------------------------------------- the end


async def test_it_is_closed_while_it_rests(log: EventLog, counting: Counting) -> None:
    feeder = feeds(log, counting, first=60.0, longest=60.0)
    counting.wrong = at(1)
    feeder.start()
    await until(lambda: feeder.trouble is not None)
    async with asyncio.timeout(1):
        await feeder.close()
        await feeder.close()
    assert feeder.ended
    assert {task.get_name() for task in asyncio.all_tasks()} & {"counting follows"} == set()


async def test_closed_in_the_middle_of_a_batch_it_leaves_the_work_undone(
    log: EventLog, counting: Counting, feeder: Feeder[Recorded]
) -> None:
    counting.gate = asyncio.Event()
    feeder.start()
    await until(lambda: counting.batches == [1])
    async with asyncio.timeout(1):
        await feeder.close()
    assert (counting.position, counting.seen) == (0, [])


async def test_closing_has_an_end_also_where_the_work_has_none(
    log: EventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Clinging:
        name, position, busy, let_go = "clinging", 0, False, False

        async def take(self, batch: Sequence[Recorded]) -> None:
            self.busy = True
            while not self.let_go:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

    monkeypatch.setattr(feeders, "CLOSE_SECONDS", 0.05)
    clinging = Clinging()
    feeder = feeds(log, clinging)
    feeder.start()
    await until(lambda: clinging.busy)
    await feeder.close()
    assert "clinging does not let go of its work" in caplog.text
    clinging.let_go = True
    await until(lambda: feeder.ended)


async def test_closing_what_was_never_started_does_nothing(feeder: Feeder[Recorded]) -> None:
    await feeder.close()


@pytest.mark.parametrize("wrong", [nothing_wrong, at(1)], ids=["at work", "at rest"])
async def test_a_closed_log_ends_it_quietly(
    log: EventLog, counting: Counting, caplog: pytest.LogCaptureFixture, wrong: Any
) -> None:
    counting.wrong = wrong
    feeder = feeds(log, counting, first=60.0, longest=60.0)
    feeder.start()
    await until(lambda: counting.batches != [])
    caplog.clear()
    await log.close()
    await until(lambda: feeder.ended)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    await feeder.close()


async def test_a_closed_log_ends_one_that_is_far_behind(log: EventLog, counting: Counting) -> None:
    await write(log, 600)
    counting.gate = asyncio.Event()
    feeder = feeds(log, counting, first=60.0, longest=60.0)
    feeder.start()
    await until(lambda: counting.batches != [])
    await log.close()
    counting.gate.set()
    await until(lambda: feeder.ended)
    assert counting.position >= followers.BATCH


# ---------------------------------------------------------------- lag


async def test_a_slow_one_tells_how_far_behind_it_is(log: EventLog, counting: Counting) -> None:
    now = 100.0
    feeder = feeds(log, counting, monotonic=lambda: now)
    await feeder.catch_up()
    assert feeder.standing().lag_seconds == 0.0
    counting.gate = asyncio.Event()
    await write(log, 1)
    feeder.start()
    await until(lambda: len(counting.batches) == 2)
    told = []
    for _ in range(3):
        now += 7.0
        await write(log, 1)
        told.append(feeder.standing().lag_seconds)
    assert told == [7.0, 14.0, 21.0]
    counting.gate.set()
    await until(lambda: counting.position == log.head())
    assert feeder.standing().lag_seconds == 0.0
    await feeder.close()


def test_one_that_is_always_behind_tells_it_all_the_time() -> None:
    now = 0.0
    lag = Lag(lambda: now)
    told = []
    for second in range(1, 400):
        now = float(second)
        told.append(lag.seconds(position=max(0, second - 100), head=second))
    assert all(93 <= seconds <= 100 for seconds in told[200:])


@where(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.floats(0, 60)), max_size=300))
def test_a_lag_is_never_told_too_long_and_little_is_remembered(
    steps: list[tuple[int, int, float]],
) -> None:
    now, head, position = 0.0, 0, 0
    lag = Lag(lambda: now)
    known: list[tuple[int, float]] = []
    for grown, done, passed in steps:
        now, head = now + passed, head + grown
        position = min(head, position + done)
        known.append((head, now))
        waiting = [since for reached, since in known if reached > position]
        longest = now - waiting[0] if waiting else 0.0
        told = lag.seconds(position, head)
        assert told <= longest
        assert (told > 0) <= (head > position)
    assert len(lag._marks) < 150
