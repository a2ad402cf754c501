"""An agent that stays and cannot be ended holds nobody up."""

import asyncio
from typing import Any

import pytest
from agent_turn import turn

from codara.adapters.agents.codex.appserver import AppServer
from codara.adapters.agents.codex.forgetting import Forgotten
from codara.adapters.agents.codex.told import ToldInstructions
from codara.adapters.agents.session import staying
from codara.adapters.agents.session.lender import Lender, NoLogins
from codara.clock import utc_now
from tests.fakes.jail import Box
from tests.fakes.sink import Listener
from tests.fakes.vault import ONE_KEY


@pytest.fixture
async def stuck(monkeypatch: pytest.MonkeyPatch) -> Box:
    """A jail whose processes the kernel does not let end."""
    monkeypatch.setattr(staying, "LET_GO_SECONDS", 0)
    return Box(stuck=True)


def session_in(box: Box) -> AppServer:
    lender = Lender(ONE_KEY, NoLogins(), "http://127.0.0.1:9", "")
    return AppServer(
        box.launched,
        turn(),
        told=ToldInstructions(_nothing, _nowhere),
        forgotten=Forgotten(_nothing, _nowhere),
        look=_nothing,
        lender=lender,
        clock=utc_now,
    )


async def _nothing(*_: str) -> Any:
    return {}


async def _nowhere(_: dict[str, str]) -> None:
    return


async def test_closing_gives_up_on_what_does_not_end(stuck: Box) -> None:
    session = session_in(stuck)
    async with asyncio.timeout(10):
        await session.close()
    assert session.ended.done()
    stuck.write()


async def test_a_turn_ends_although_its_agent_does_not(stuck: Box) -> None:
    session = session_in(stuck)
    async with asyncio.timeout(10):
        outcome = await session.run(turn(stall_timeout=0.05), Listener())
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    assert stuck.killings == ["stalled"]
    assert session.ended.done()
    stuck.write()


async def test_one_with_tools_serves_no_turn_that_may_only_talk() -> None:
    session = session_in(Box())
    assert session.serves(turn())
    assert not session.serves(turn(toolless=True))
