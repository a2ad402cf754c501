"""What ended by itself is written down once, and only when it has ended."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import attrs
import pytest

from codara.application.deadlines import Deadlines
from tests import event_examples
from tests.turn_setup import House, close_house, open_house


@attrs.define
class FakeExpiring:
    """Names the same sessions again and again, as a view that lags would."""

    sessions: list[str]

    async def due(self, now: datetime, most: int) -> Sequence[str]:
        return self.sessions[:most]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


def deadlines(house: House, *sessions: str) -> Deadlines:
    return Deadlines(
        deciding=house.context.deciding,
        expiring=FakeExpiring(list(sessions)),
        clock=house.clock,
        cause=event_examples.by("system:deadlines"),
    )


async def test_a_session_whose_time_is_over_is_said_to_be_expired_once(house: House) -> None:
    result = await house.ask()
    house.clock.move(hours=25)
    keeper = deadlines(house, result.session_id)
    await keeper.pass_over()
    await keeper.pass_over()
    assert (await house.trail("session")).count("session.expired") == 1
    assert (await house.ask("again")).thread == "fresh"


async def test_a_session_in_its_time_is_left_alone(house: House) -> None:
    result = await house.ask()
    house.clock.move(hours=23)
    await deadlines(house, result.session_id).pass_over()
    assert "session.expired" not in await house.trail("session")
    assert (await house.ask("again")).thread == "resumed"
