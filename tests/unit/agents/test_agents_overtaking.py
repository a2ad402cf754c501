"""An agent that sleeps out a refusal is stopped once another account could take its turn."""

import asyncio
from typing import Any

import attrs
import pytest

from codara.adapters.agents.session import overtaking as module
from codara.adapters.agents.session.overtaking import overtaking
from codara.adapters.agents.session.watch import Watch
from codara.clock import utc_now
from tests.event_examples import NOW

LATE = NOW.replace(year=2100)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


@attrs.define
class Current:
    """A turn whose account may be refused."""

    cause: str = ""
    refused: asyncio.Event = attrs.field(factory=asyncio.Event)

    def refusal(self) -> str:
        return self.cause

    def refuse(self, cause: str) -> None:
        self.cause = cause
        self.refused.set()


@attrs.define
class Turn:
    """A turn that may go elsewhere after `asked` questions whether it could."""

    after: int = 0
    asked: int = 0
    until: Any = LATE
    stall_timeout: float = 0.0
    often: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def elsewhere(self) -> bool:
        self.asked += 1
        if self.asked == 5:
            self.often.set()
        return self.asked > self.after


def watch_of(turn: Turn) -> Watch:
    return Watch(turn, utc_now)  # type: ignore[arg-type]


async def run(turn: Turn, current: Current, work: Any) -> str:
    """The reason for which the work was ended; empty if it came to its own end."""
    watch = watch_of(turn)
    try:
        async with watch, overtaking(turn, current, watch):  # type: ignore[arg-type]
            await work()
    except TimeoutError:
        return watch.reason
    return ""


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_the_turn_goes_elsewhere_with_the_cause_of_the_refusal() -> None:
    current = Current()
    current.refuse("rate_limited")
    assert await run(Turn(), current, for_ever) == "rate_limited"


async def test_another_account_that_comes_back_later_is_found_then() -> None:
    turn, current = Turn(after=3), Current()
    current.refuse("quota_exhausted")
    assert await run(turn, current, for_ever) == "quota_exhausted"
    assert turn.asked == 4


async def test_while_no_other_account_is_free_the_agent_may_wait() -> None:
    turn, current = Turn(after=1_000_000), Current()
    current.refuse("rate_limited")
    assert await run(turn, current, turn.often.wait) == ""


async def test_an_agent_that_got_its_answer_after_all_is_left_alone() -> None:
    turn, current = Turn(), Current()
    current.refuse("rate_limited")
    current.cause = ""

    async def works() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    assert await run(turn, current, works) == ""
    assert turn.asked == 0


async def test_without_a_refusal_nobody_looks_elsewhere() -> None:
    turn = Turn()

    async def works() -> None:
        await asyncio.sleep(0)

    assert await run(turn, Current(), works) == ""
    assert turn.asked == 0


async def test_a_defect_in_looking_leaves_the_agent_at_its_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Turn):
        async def elsewhere(self) -> bool:
            raise ValueError("a defect")

    async def works() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    current = Current()
    current.refuse("rate_limited")
    assert await run(Broken(), current, works) == ""
    assert "no other account could be looked for" in caplog.text
