"""What the services' tests stand on: a log with its keys and clock, and a vault."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_setup import Logged, logged

from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing
from tests.fakes.vault import FakeVault


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Logged]:
    async with logged(tmp_path, FakeKeyRing(), FixedClock()) as opened:
        yield opened


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault()
