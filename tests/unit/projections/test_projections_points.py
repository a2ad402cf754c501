"""The points of conversations: found by digest, gone with the thread that they lead to."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import attrs
from read_model_setup import PLACE, SESSION, World, completed, ended, failed, requested, started

from codara.events.session import SessionReset, TurnEnd
from codara.events.thread import Point, Thread
from codara.projections.points import MOST, PointRow, PointsProjection
from tests import event_examples

MINE = {"caller": event_examples.KEY, "workspace_id": event_examples.WORKSPACE, "provider": "codex"}
DIGEST = event_examples.POINT.digest


async def a_turn(world: World, turn_id: str = event_examples.TURN, **changes: Any) -> None:
    unnamed = {"origin": "new", **changes}
    first = [event_examples.session_opened(origin="new", client_session_id="")]
    wanted = requested(turn_id, **unnamed)
    if turn_id == event_examples.TURN:
        wanted = {**wanted, SESSION: [*first, wanted[SESSION][-1]]}
    await world.happen(wanted, started(turn_id))


def end_at(digest: str, **changes: Any) -> TurnEnd:
    point = Point(digest=digest, entries=2, answered=digest, **changes)
    return attrs.evolve(event_examples.END, thread=Thread(backend_id="b", point=point, mark="m"))


def done(turn_id: str, digest: str, **changes: Any) -> Any:
    end = end_at(digest, **changes)
    return ended(event_examples.turn_completed(turn_id=turn_id, answer_payload=None, end=end))


async def found(world: World, *digests: str, **other: str) -> Sequence[PointRow]:
    return await world.views.points.of_digests(digests, **{**MINE, **other})


async def test_an_end_is_found_by_its_digest_with_its_thread(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed())
    (row,) = await found(world, "x", DIGEST)
    assert (row.session_id, row.turn_id, row.last) == (
        event_examples.SESSION,
        event_examples.TURN,
        True,
    )
    assert row.thread == event_examples.THREAD
    assert (row.system, row.chat) == ("a" * 32, "c" * 32)


async def test_only_its_own_caller_workspace_and_provider_find_it(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed())
    for other in ({"caller": "k"}, {"workspace_id": "w"}, {"provider": "gemini"}):
        assert await found(world, DIGEST, **other) == []


async def test_named_sessions_and_those_that_are_not_kept_are_not_found(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed())
    assert await found(world, DIGEST) == []


async def test_what_is_not_kept_is_not_found(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world, persistent=False)
    await world.happen(completed())
    assert await found(world, DIGEST) == []


async def test_an_end_that_was_passed_is_no_end_any_more(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(done(event_examples.TURN, "1" * 32))
    await a_turn(world, "trn_2")
    await world.happen(done("trn_2", "2" * 32, tail="t"))
    later, earlier = await found(world, "1" * 32, "2" * 32)
    assert (later.turn_id, later.last) == ("trn_2", True)
    assert (earlier.turn_id, earlier.last) == (event_examples.TURN, False)
    (by_tail,) = await world.views.points.of_tail("t", **MINE)
    assert by_tail == later
    of_session = world.views.points.of_session
    assert await of_session(event_examples.SESSION, ["1" * 32], provider="codex") == [earlier]


async def test_a_turn_that_failed_leaves_the_point_it_came_to(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(failed())
    assert [each.last for each in await found(world, DIGEST)] == [True]


async def test_a_reset_takes_the_points_away(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed(), {SESSION: [SessionReset(session_id=event_examples.SESSION)]})
    assert await found(world, DIGEST) == []


async def test_a_session_that_was_set_back_is_found_without_its_thread(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed(), {SESSION: [event_examples.session_set_back()]})
    (point,) = await found(world, DIGEST)
    assert (point.thread.backend_id, point.thread.mark) == (None, None)
    assert point.thread.point.digest == DIGEST
    assert point.last


async def test_what_has_expired_is_not_found_whether_the_log_says_so_or_not(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed())
    world.clock.move(days=400)
    assert await found(world, DIGEST) == []


async def test_of_many_points_the_latest_are_found(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(done(event_examples.TURN, "1" * 32))
    for number in range(MOST + 2):
        await a_turn(world, f"trn_{number}_more")
        await world.write(done(f"trn_{number}_more", "1" * 32))
    await world.views.wait_for(world.log.head(), 10)
    rows = await found(world, "1" * 32)
    assert len(rows) == MOST
    assert rows[0].last


async def test_what_expired_without_a_word_leaves_room_for_others(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed())
    later = event_examples.END.expires_at + timedelta(days=1)
    opened = event_examples.recorded(event_examples.session_opened(session_id="ses_2"), at=later)
    kept = list(PointsProjection().apply(opened))
    with closing(sqlite3.connect(next((world.folder / "points").glob("*.db")))) as db:
        for statement in kept:
            db.execute(*statement)
        assert db.execute("SELECT count(*) FROM points").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        db.rollback()


async def test_a_session_with_an_open_turn_stays_however_old_it_is(world: World) -> None:
    await world.happen(PLACE)
    await a_turn(world)
    await world.happen(completed())
    await a_turn(world, "trn_late")
    later = event_examples.END.expires_at + timedelta(days=1)
    opened = event_examples.recorded(event_examples.session_opened(session_id="ses_2"), at=later)
    with closing(sqlite3.connect(next((world.folder / "points").glob("*.db")))) as db:
        for statement in PointsProjection().apply(opened):
            db.execute(*statement)
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
        db.rollback()
