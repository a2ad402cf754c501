"""Usage: what a user's turns took, by day and provider, as the turns' own rows add up."""

from collections import Counter
from datetime import timedelta
from typing import Any

import attrs
import pytest
from read_model_setup import PLACE, SESSION, World, completed, requested, started

from codara.events.base import Event
from codara.events.session import Usage
from codara.projections.engine import manifest
from codara.projections.engine.store import digest
from codara.projections.usage import MOST, DayUsageRow
from tests import event_examples
from tests.event_examples import END, NOW, USAGE, USER

LONG_AGO, FAR_AHEAD = NOW - timedelta(days=400), NOW + timedelta(days=400)
COUNTS = ("input", "cached", "cache_write", "output", "reasoning")
ENDS = (
    event_examples.turn_completed,
    event_examples.turn_failed,
    event_examples.turn_cancelled,
)


def took(usage: Usage | None) -> dict[str, Any]:
    return {"end": attrs.evolve(END, usage=usage)}


def end_of(turn: int, usage: Usage | None) -> Event:
    """Turns end in turns: completed, failed, cancelled."""
    more = {"answer_payload": None} if turn % 3 == 0 else {}
    event: Event = ENDS[turn % 3](turn_id=f"trn_{turn}", **more, **took(usage))
    return event


async def turns_of_three_days(world: World) -> None:
    """Turns of two users, on two providers with three models; some end a day later, two never."""
    await world.happen(PLACE)
    for turn in range(1, 25):
        who = {
            "user_id": USER if turn % 4 else "usr_2",
            "provider": ("codex", "gemini")[turn % 2],
            "model": ("large", "small", "odd name")[turn % 3],
        }
        await world.write(requested(f"trn_{turn}", **who), started(f"trn_{turn}"))
        if turn > 4 and turn - 4 not in (7, 8):
            usage = Usage(input=100 * turn, cached=turn, cache_write=3, output=7 + turn)
            await world.write({SESSION: [end_of(turn - 4, usage if turn % 5 else None)]})
        world.clock.move(hours=3)
    await world.happen({SESSION: [event_examples.session_reset()]})


async def of_tasks(world: World, user_id: str) -> dict[tuple[str, str], Counter[str]]:
    """The same sums, made from the rows of the user's tasks."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for task in (await world.views.tasks.list(limit=200, user_id=user_id)).items:
        counts = sums.setdefault((task.created_at[:10], task.provider), Counter())
        counts["requests"] += 1
        for name in COUNTS:
            counts[name] += getattr(task.usage, name) if task.usage else 0
    return sums


async def of_usage(world: World, user_id: str = USER) -> list[DayUsageRow]:
    return list(await world.views.usage.of_user(user_id, LONG_AGO, FAR_AHEAD))


@pytest.mark.parametrize("user_id", [USER, "usr_2", "usr_nobody"])
async def test_the_days_add_up_to_what_the_tasks_took(world: World, user_id: str) -> None:
    await turns_of_three_days(world)
    found = {
        (row.day, row.provider): Counter(
            {name: getattr(row, name) for name in ("requests", *COUNTS)}
        )
        for row in await of_usage(world, user_id)
    }
    assert found == await of_tasks(world, user_id)
    assert bool(found) == (user_id != "usr_nobody")


async def test_a_turn_counts_on_the_day_it_was_requested_however_late_it_ends(
    world: World,
) -> None:
    await world.happen(PLACE, requested(), started())
    day = NOW.date().isoformat()
    [row] = await of_usage(world)
    assert row == DayUsageRow(
        day=day,
        provider="codex",
        requests=1,
        input=0,
        cached=0,
        cache_write=0,
        output=0,
        reasoning=0,
    )
    world.clock.move(days=2)
    await world.happen(completed())
    assert await of_usage(world) == [
        attrs.evolve(row, **{name: getattr(USAGE, name) for name in COUNTS})
    ]


async def test_the_first_and_the_last_day_count_whole(world: World) -> None:
    await turns_of_three_days(world)
    later = NOW + timedelta(days=1)
    [codex, gemini] = await world.views.usage.of_user(USER, later, later)
    assert (codex.day, gemini.day) == (later.date().isoformat(),) * 2
    assert [codex, gemini] == (await of_usage(world))[2:4]


async def test_counts_without_measure_do_not_end_the_read_model(world: World) -> None:
    huge = Usage(input=2**63 - 1, cached=MOST, output=-5)
    await world.happen(PLACE)
    for turn, model in enumerate(("a", "a", "b"), 1):
        await world.write(requested(f"trn_{turn}", model=model))
        await world.happen({SESSION: [end_of(turn, huge)]})
    assert world.views.failures() == {}
    [row] = await of_usage(world)
    assert (row.requests, row.input, row.cached, row.output) == (3, MOST, MOST, 0)


async def test_a_data_folder_from_before_there_was_usage_gets_it_at_the_next_start(
    world: World,
) -> None:
    await turns_of_three_days(world)
    known = await of_usage(world)
    others = {name: path for name, path in world.views.files().items() if name != "usage"}
    await world.views.close()
    for path in (world.folder / "usage").iterdir():
        path.unlink()
    (world.folder / "usage").rmdir()
    manifest.save(world.folder, {name: f"{name}/{path.name}" for name, path in others.items()})
    await world.reopen()
    assert await of_usage(world) == known
    assert world.views.position() == world.log.head()
    now = world.views.files()
    assert {name: now[name] for name in others} == others


async def test_the_rebuilt_rows_are_the_same(world: World) -> None:
    await turns_of_three_days(world)
    known, before = await of_usage(world), digest(world.views.files()["usage"])
    await world.views.rebuild("usage")
    assert digest(world.views.files()["usage"]) == before
    assert await of_usage(world) == known
