"""A log in a temporary folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.events.store.log import EventLog
from tests.fakes.keyring import FakeKeyRing


@pytest.fixture
def keys() -> FakeKeyRing:
    return FakeKeyRing()


@pytest.fixture
async def log(tmp_path: Path, keys: FakeKeyRing) -> AsyncIterator[EventLog]:
    log = await EventLog.open(tmp_path / "events.db", keys)
    yield log
    await log.close()
