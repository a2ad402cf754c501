"""The one way to the log: what is decided at the same time ends as if decided one by one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from codara.application.deciding import Deciding
from codara.domain.aggregates import of_stream
from codara.errors import SessionBusy, VersionClash
from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

SESSION = streams.session(event_examples.SESSION)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    opened = await EventLog.open(tmp_path / "events.db", FakeKeyRing())
    yield opened
    await opened.close()


@pytest.fixture
def deciding(log: EventLog) -> Deciding:
    return Deciding(log, of_stream)


def user_stream(number: int) -> str:
    return streams.user(f"usr_{number}")


def take(slot: str, turn: str) -> Any:
    def decision(states: Mapping[str, Any]) -> dict[str, list[Any]]:
        if states[slot].turn_id is not None:
            raise SessionBusy("taken")
        return {slot: [event_examples.lease_taken(turn_id=turn)]}

    return decision


async def test_a_decision_sees_what_an_earlier_one_appended(deciding: Deciding) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    await deciding.decide([slot], take(slot, "trn_1"), event_examples.CAUSE)
    with pytest.raises(SessionBusy):
        await deciding.decide([slot], take(slot, "trn_2"), event_examples.CAUSE)


async def test_of_many_that_want_one_slot_exactly_one_gets_it(deciding: Deciding) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    wanted = [
        deciding.decide([slot], take(slot, f"trn_{n}"), event_examples.CAUSE) for n in range(50)
    ]
    results = await asyncio.gather(*wanted, return_exceptions=True)
    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert all(isinstance(r, SessionBusy) for r in results if isinstance(r, Exception))


async def test_a_chain_on_one_stream_keeps_every_event(deciding: Deciding, log: EventLog) -> None:
    stream = streams.user(event_examples.USER)

    def rename(states: Mapping[str, Any]) -> dict[str, list[Any]]:
        return {stream: [event_examples.user_updated()]}

    await asyncio.gather(
        *(deciding.decide([stream], rename, event_examples.CAUSE) for _ in range(100))
    )
    versions = [each.version for each in await log.load(stream)]
    assert versions == list(range(1, 101))


async def test_a_foreign_append_makes_the_decision_anew(deciding: Deciding, log: EventLog) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    await deciding.state(slot)
    await log.append(
        [Append(slot, 0, [event_examples.lease_taken(turn_id="trn_9")])], event_examples.CAUSE
    )
    with pytest.raises(SessionBusy):
        await deciding.decide([slot], take(slot, "trn_1"), event_examples.CAUSE)


async def test_a_new_stream_is_not_looked_for(
    deciding: Deciding, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody_reads(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(EventLog, "last", nobody_reads)
    slot = streams.lease("user", event_examples.USER, 0)
    await deciding.decide([slot], take(slot, "trn_1"), event_examples.CAUSE, new=[slot])
    with pytest.raises(SessionBusy):
        await deciding.decide([slot], take(slot, "trn_2"), event_examples.CAUSE, new=[slot])


async def test_a_stream_wrongly_taken_for_new_is_read_after_all(
    deciding: Deciding, log: EventLog
) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    await log.append(
        [Append(slot, 0, [event_examples.lease_taken(turn_id="trn_1")])], event_examples.CAUSE
    )
    with pytest.raises(SessionBusy):
        await deciding.decide([slot], take(slot, "trn_2"), event_examples.CAUSE, new=[slot])


async def test_several_streams_are_appended_together_or_not_at_all(
    deciding: Deciding, log: EventLog
) -> None:
    first, second = (streams.lease("user", event_examples.USER, slot) for slot in (0, 1))
    tries = 0

    def both(states: Mapping[str, Any]) -> dict[str, list[Any]]:
        nonlocal tries
        tries += 1
        if tries > 1:
            raise SessionBusy("looked again")
        return {first: [event_examples.lease_taken()], second: [event_examples.lease_taken()]}

    await deciding.state(second)
    await log.append(
        [Append(second, 0, [event_examples.lease_taken(turn_id="trn_9")])], event_examples.CAUSE
    )
    with pytest.raises(SessionBusy, match="looked again"):
        await deciding.decide([first, second], both, event_examples.CAUSE)
    assert await log.last(first) is None


async def test_what_builds_on_a_proposal_shares_its_transaction(deciding: Deciding) -> None:
    slot, other = (streams.lease("user", event_examples.USER, n) for n in (0, 1))
    proposed = await deciding.propose(
        [slot], take(slot, "trn_1"), event_examples.CAUSE, linger=True
    )
    decided = await deciding.decide([slot, other], take(other, "trn_1"), event_examples.CAUSE)
    assert proposed.durable is not None
    assert proposed.durable.done()
    assert decided.position == await proposed.durable + 1


async def test_what_builds_on_a_proposal_that_clashes_is_decided_anew(
    deciding: Deciding, log: EventLog
) -> None:
    slot, other = (streams.lease("user", event_examples.USER, n) for n in (0, 1))
    for stream in (slot, other):
        await deciding.state(stream)
    await log.append(
        [Append(slot, 0, [event_examples.lease_taken(turn_id="trn_9")])], event_examples.CAUSE
    )
    proposed = await deciding.propose(
        [slot], take(slot, "trn_1"), event_examples.CAUSE, linger=True
    )
    seen: list[str] = []

    def follow(states: Mapping[str, Any]) -> dict[str, list[Any]]:
        seen.append(states[slot].turn_id)
        return {slot: [event_examples.lease_released(turn_id=states[slot].turn_id)]}

    await deciding.decide([slot, other], follow, event_examples.CAUSE)
    assert seen == ["trn_1", "trn_9"]
    assert proposed.durable is not None
    with pytest.raises(VersionClash):
        await proposed.durable


async def test_whoever_is_close_behind_the_head_reads_no_file(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    position = await log.append(
        [Append(slot, 0, [event_examples.lease_taken()])], event_examples.CAUSE
    )
    from_disk = await log._positions.by_position(position - 1, limit=10, until=None, sealed=True)
    monkeypatch.setattr(log, "_positions", None)
    assert await log.read(position - 1, limit=10, sealed=True) == from_disk
    monkeypatch.undo()


async def test_nothing_to_say_appends_nothing(deciding: Deciding, log: EventLog) -> None:
    before = log.head()
    decided = await deciding.decide([SESSION], lambda _: {SESSION: []}, event_examples.CAUSE)
    assert decided.position is None
    assert log.head() == before


async def test_a_cancelled_caller_does_not_take_the_append_back(
    deciding: Deciding, log: EventLog
) -> None:
    slot = streams.lease("user", event_examples.USER, 0)
    await deciding.state(slot)
    caller = asyncio.create_task(deciding.decide([slot], take(slot, "trn_1"), event_examples.CAUSE))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    with pytest.raises(SessionBusy):
        await deciding.decide([slot], take(slot, "trn_2"), event_examples.CAUSE)


async def test_a_clash_raised_by_the_decision_is_an_answer(deciding: Deciding) -> None:
    def moved(_: Mapping[str, Any]) -> dict[str, list[Any]]:
        raise VersionClash(SESSION)

    with pytest.raises(VersionClash):
        await deciding.decide([SESSION], moved, event_examples.CAUSE)


async def test_a_small_cache_decides_the_same(log: EventLog) -> None:
    deciding = Deciding(log, of_stream, capacity=2)

    async def rename(number: int) -> None:
        stream = user_stream(number % 5)
        await deciding.decide(
            [stream], lambda _: {stream: [event_examples.user_updated()]}, event_examples.CAUSE
        )

    await asyncio.gather(*(rename(number) for number in range(50)))
    lengths = [len(await log.load(user_stream(number))) for number in range(5)]
    assert lengths == [10] * 5


async def test_a_session_folds_from_its_last_request_on(log: EventLog) -> None:
    events = [
        event_examples.session_opened(),
        *(
            event
            for number in range(300)
            for event in (
                event_examples.turn_requested(turn_id=f"trn_{number}"),
                event_examples.turn_completed(turn_id=f"trn_{number}"),
            )
        ),
    ]
    await log.append([Append(SESSION, 0, events)], event_examples.CAUSE)
    cold = Deciding(log, of_stream)
    folded = of_stream(SESSION).empty
    for event in events:
        folded = of_stream(SESSION).evolve(folded, event)
    assert await cold.state(SESSION) == folded
