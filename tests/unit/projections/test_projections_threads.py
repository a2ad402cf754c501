"""The threads that lie in homes: which of them nobody needs, and which may go for space."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
from read_model_setup import PLACE, SESSION, WORKSPACE, World, ended, requested

from codara.events import streams
from codara.events.session import SessionReset, TurnEnd
from codara.events.thread import Branch, Elsewhere, Point, Thread
from codara.projections.threads import SETTLING, IdleThreadRow
from tests import event_examples

HOME = (event_examples.WORKSPACE, "codex")
FRESH: dict[str, Any] = {"thread": Thread(), "fork": None, "elsewhere": ()}


def a_thread(backend_id: str) -> Thread:
    return Thread(backend_id=backend_id, point=Point(digest="d" * 32, entries=2, answered="d" * 32))


def end_of(backend_id: str | None, **changes: Any) -> TurnEnd:
    thread = Thread() if backend_id is None else a_thread(backend_id)
    return attrs.evolve(event_examples.END, thread=thread, **changes)


async def asked(world: World, session: str, turn: str, **changes: Any) -> None:
    stream = streams.session(session)
    wanted = {**FRESH, "session_id": session, "turn_id": turn, "prompt_payload": None, **changes}
    await world.happen({stream: [event_examples.turn_requested(**wanted)]})


async def done(world: World, session: str, turn: str, backend_id: str | None, **more: Any) -> None:
    event = event_examples.turn_completed(
        session_id=session, turn_id=turn, answer_payload=None, end=end_of(backend_id, **more)
    )
    await world.happen({streams.session(session): [event]})


async def a_turn(
    world: World, session: str, turn: str, backend_id: str | None, **changes: Any
) -> None:
    await asked(world, session, turn, **changes)
    await done(world, session, turn, backend_id)


async def bound(world: World, session: str, turn: str, backend_id: str) -> None:
    event = event_examples.backend_bound(
        session_id=session, turn_id=turn, backend_id=backend_id, heard=None
    )
    await world.happen({streams.session(session): [event]})


async def over(world: World, most: int = 100, **more: Any) -> dict[tuple[str, str], Sequence[str]]:
    found = await world.views.threads.ended(most, **more)
    return {(each.workspace_id, each.provider): list(each.threads) for each in found}


async def idle(world: World, most: int = 100) -> tuple[list[str], list[str]]:
    threads = world.views.threads
    once, often = await threads.uncontinued(*HOME, most), await threads.others(*HOME, most)
    return [each.backend_id for each in once], [each.backend_id for each in often]


def settle(world: World) -> None:
    world.clock.now += SETTLING


def expire(world: World) -> None:
    world.clock.now = event_examples.END.expires_at + SETTLING


async def test_a_thread_is_needed_until_its_session_has_expired(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    settle(world)
    assert await over(world) == {}
    expire(world)
    assert await over(world) == {HOME: ["one"]}


async def test_what_is_not_kept_is_over_at_once(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one", persistent=False)
    assert await over(world) == {}
    settle(world)
    assert await over(world) == {HOME: ["one"]}


async def test_what_is_not_kept_is_over_also_when_its_session_goes_on(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one", persistent=False)
    await asked(world, "ses_1", "trn_2")
    settle(world)
    assert await over(world) == {HOME: ["one"]}
    await done(world, "ses_1", "trn_2", "two")
    settle(world)
    assert await over(world) == {HOME: ["one"]}


@pytest.mark.parametrize("end", [event_examples.session_reset, event_examples.session_expired])
async def test_a_reset_or_an_expiry_ends_all_threads_of_the_session(world: World, end: Any) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await a_turn(world, "ses_1", "trn_2", "two")
    await a_turn(world, "ses_2", "trn_3", "three")
    await world.happen({SESSION: [end()]})
    settle(world)
    assert await over(world) == {HOME: ["one", "two"]}
    await a_turn(world, "ses_1", "trn_4", "four")
    settle(world)
    assert await over(world) == {HOME: ["one", "two"]}


async def test_a_replaced_thread_stays_as_long_as_its_session(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await a_turn(world, "ses_1", "trn_2", "two")
    assert await over(world) == {}
    later = event_examples.END.expires_at + timedelta(days=1)
    await asked(world, "ses_1", "trn_3", thread=a_thread("two"))
    await done(world, "ses_1", "trn_3", "two", expires_at=later)
    expire(world)
    assert await over(world) == {}
    world.clock.now = later + SETTLING
    assert await over(world) == {HOME: ["one", "two"]}


async def test_threads_with_other_providers_stay_as_long_as_their_session(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    elsewhere = (Elsewhere(provider="codex", thread=a_thread("one")),)
    await a_turn(world, "ses_1", "trn_2", "two", provider="gemini", elsewhere=elsewhere)
    settle(world)
    assert await over(world) == {}
    expire(world)
    assert await over(world) == {HOME: ["one"], (event_examples.WORKSPACE, "gemini"): ["two"]}


async def test_nothing_is_over_while_a_turn_is_open(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await asked(world, "ses_1", "trn_2", thread=a_thread("one"))
    expire(world)
    assert await over(world) == {}
    await done(world, "ses_1", "trn_2", "one")
    assert await over(world) == {HOME: ["one"]}


async def test_a_thread_is_known_before_its_turn_has_ended(world: World) -> None:
    await asked(world, "ses_1", "trn_1")
    await bound(world, "ses_1", "trn_1", "one")
    expire(world)
    assert await over(world) == {}
    assert await idle(world) == ([], [])
    failed = event_examples.turn_failed(session_id="ses_1", turn_id="trn_1", end=end_of(None))
    await world.happen({SESSION: [failed]})
    assert await over(world) == {HOME: ["one"]}
    assert await idle(world) == (["one"], [])


def branch(backend_id: str) -> Branch:
    return Branch(session_id="ses_1", turn_id="trn_1", backend_id=backend_id, mark="m")


async def test_a_thread_stays_while_another_one_is_being_branched_from_it(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await asked(world, "ses_2", "trn_2", fork=branch("one"))
    await world.happen({SESSION: [SessionReset(session_id="ses_1")]})
    settle(world)
    assert await over(world) == {}
    assert await idle(world) == ([], [])


async def test_an_id_that_two_sessions_share_is_over_with_both(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await a_turn(world, "ses_2", "trn_2", "one")
    await world.happen({SESSION: [SessionReset(session_id="ses_1")]})
    settle(world)
    assert await over(world) == {}
    expire(world)
    assert await over(world) == {HOME: ["one"]}


async def test_a_removed_thread_is_known_no_more(world: World) -> None:
    await a_turn(world, "ses_1", "trn_1", "one")
    await a_turn(world, "ses_1", "trn_2", "two")
    expire(world)
    removed = event_examples.threads_removed(threads=("one",))
    await world.happen({WORKSPACE: [removed]})
    assert await over(world) == {HOME: ["two"]}


async def test_the_longest_ended_come_first_and_homes_may_be_left_out(world: World) -> None:
    await world.happen(PLACE)
    for number in range(3):
        await a_turn(world, f"ses_{number}", f"trn_{number}", f"thread-{number}")
    await a_turn(world, "ses_g", "trn_g", "other", provider="gemini")
    expire(world)
    assert await over(world, 2) == {HOME: ["thread-0", "thread-1"]}
    assert await over(world, but=[HOME]) == {(event_examples.WORKSPACE, "gemini"): ["other"]}


async def test_for_space_the_longest_unused_come_first_and_the_continued_apart(
    world: World,
) -> None:
    for number in range(3):
        await a_turn(world, f"ses_{number}", f"trn_{number}", f"thread-{number}")
    await a_turn(world, "ses_0", "trn_3", "thread-0", thread=a_thread("thread-0"))
    assert await idle(world) == (["thread-1", "thread-2"], ["thread-0"])
    assert await idle(world, 1) == (["thread-1"], ["thread-0"])
    (first, _) = await world.views.threads.uncontinued(*HOME, 9)
    assert first == IdleThreadRow(backend_id="thread-1", session_id="ses_1")
    await asked(world, "ses_1", "trn_4", thread=a_thread("thread-1"))
    assert await idle(world) == (["thread-2"], ["thread-0"])


async def test_homes_are_told_in_the_order_of_their_last_turns(world: World) -> None:
    threads = world.views.threads
    await a_turn(world, "ses_1", "trn_1", "one")
    await a_turn(world, "ses_2", "trn_2", "two", provider="gemini")
    await a_turn(world, "ses_1", "trn_3", "one", thread=a_thread("one"))
    found = await threads.homes(0, 9)
    assert [each.provider for each in found] == ["gemini", "codex"]
    assert [each.provider for each in await threads.homes(found[0].used, 9)] == ["codex"]
    assert await threads.homes(found[1].used, 9) == []
    assert len(await threads.homes(0, 1)) == 1


async def test_an_example_of_each_event_is_folded(world: World) -> None:
    await world.happen(PLACE, requested(), {SESSION: [event_examples.backend_bound()]})
    await world.happen(ended(event_examples.turn_cancelled()))
    await world.happen({WORKSPACE: [event_examples.threads_removed()]})
    assert await idle(world) == ([], [])
