"""A log, and views over it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from read_model_setup import World

from codara.events.store.log import EventLog
from codara.projections.views import Views
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    keys, clock = FakeKeyRing(), FixedClock()
    log = await EventLog.open(tmp_path / "events.db", keys, clock=clock)
    views = await Views.open(tmp_path / "views", log, clock=clock)
    await views.start()
    world = World(tmp_path / "views", log, views, keys, clock)
    yield world
    await world.views.close()
    await log.close()
