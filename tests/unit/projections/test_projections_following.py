"""Read models as followers: each told by name, and tried again when the log cannot be read."""

import asyncio
import time
from typing import Any

import pytest
from read_model_setup import PLACE, USER, World
from test_projections_views import Failing, with_users

from codara.application.health import Followers, Health
from codara.errors import CodaraError, LogDamaged, StorageFailed
from codara.events.base import Recorded
from codara.events.store.log import EventLog
from codara.projections.engine import runner
from codara.projections.views import PROJECTIONS
from tests import event_examples


class Unread:
    """Lets nobody read the log while `broken`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken: CodaraError | None = None
        read = EventLog.read

        async def sometimes(log: EventLog, after: int, **more: Any) -> list[Recorded]:
            if self.broken is not None:
                raise self.broken
            return await read(log, after, **more)

        monkeypatch.setattr(EventLog, "read", sometimes)


def health(world: World) -> Health:
    return Health(followers=Followers([lambda: world.views.standings()]))


async def test_each_is_told_by_name(world: World) -> None:
    position = await world.happen(PLACE)
    told = health(world).standings()
    assert [each.name for each in told] == sorted(f"views.{p.name}" for p in PROJECTIONS)
    assert {(e.position, e.lag_seconds, e.trouble, e.essential) for e in told} == {
        (position, 0.0, None, True)
    }
    assert health(world).reasons() == []


async def test_one_that_is_dead_is_the_only_one_in_trouble(world: World) -> None:
    failing = Failing()
    await world.reopen(with_users(failing))
    failing.broken = ValueError("a defect")
    await world.happen({USER: [event_examples.user_provisioned()]}, PLACE)
    troubles = {each.name: each.trouble for each in world.views.standings() if each.trouble}
    assert troubles == {"views.users": "ValueError: a defect"}
    assert health(world).reasons() == ["read model users: ValueError: a defect"]
    assert health(world).degraded_by() == []


@pytest.mark.parametrize("error", [StorageFailed("the disk fails"), LogDamaged("no log")])
async def test_a_log_that_cannot_be_read_is_told_for_all_and_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch, error: CodaraError
) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.01)
    await world.reopen()
    unread = Unread(monkeypatch)
    unread.broken = error
    position = await world.write(PLACE)
    assert not await world.views.wait_for(position, 0.2)
    words = f"{type(error).__name__}: {error.message}"
    assert world.views.failures() == {p.name: words for p in PROJECTIONS}
    assert health(world).reasons() == [
        f"read model {n}: {words}" for n in sorted(world.views.files())
    ]
    unread.broken = None
    assert await _in_the_end(world, position)
    assert world.views.failures() == {}


async def test_nobody_waits_for_a_damaged_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = Unread(monkeypatch)
    unread.broken = LogDamaged("no log")
    position = await world.write(PLACE)
    began = time.monotonic()
    assert not await world.views.wait_for(position, 60)
    assert not await world.views.wait_for(position, 60)
    assert time.monotonic() - began < 10


async def test_nobody_waits_for_a_closed_log(world: World) -> None:
    waiting = asyncio.create_task(world.views.wait_for(world.log.head() + 1, 60))
    await asyncio.sleep(0)
    await world.log.close()
    assert await waiting is False
    assert world.views.failures() == {}


async def test_read_models_that_are_late_are_told_in_one_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LULL_SECONDS", 60.0)
    await world.happen(PLACE)
    await world.write({USER: [event_examples.user_provisioned()]})
    assert world.views.lag() < 5
    passed = time.monotonic() + 7.2
    for lag in world.views._runner._lags.values():
        monkeypatch.setattr(lag, "_monotonic", lambda: passed)
    assert health(world).reasons() == ["the read models are 7 s behind the log"]


async def _in_the_end(world: World, position: int) -> bool:
    async with asyncio.timeout(10):
        while not await world.views.wait_for(position, 1):
            await asyncio.sleep(0.01)
    return True
