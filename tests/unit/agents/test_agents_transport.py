"""Which transport a home gets: what was in vain in one home says nothing of another."""

import attrs
import pytest

from codara.adapters.agents.session.transport import (
    PAUSE_SECONDS,
    REMEMBERED,
    TOLERATED_STARTS,
    Transport,
)
from codara.errors import AgentFailed

STAYS, PASSES = "a process that stays", "one of its own"


@attrs.define
class Starts:
    """A transport, the time, and the homes in which no process that stays would start."""

    setting: str = "auto"
    now: float = 0.0
    broken: set[str] = attrs.field(factory=lambda: {"broken"})
    cause: str = "crashed"
    tried: int = 0
    transport: Transport = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.transport = Transport(self.setting, lambda: self.now)

    async def open(self, home: str) -> object:
        async def staying() -> object:
            self.tried += 1
            if home in self.broken:
                raise AgentFailed("it did not start", cause=self.cause)
            return STAYS

        return await self.transport.open(home, staying, lambda: PASSES)  # type: ignore[arg-type]

    async def in_vain(self, home: str = "broken") -> None:
        for _ in range(TOLERATED_STARTS):
            assert await self.open(home) == PASSES


async def test_after_three_starts_in_vain_a_home_is_not_tried_again() -> None:
    starts = Starts()
    await starts.in_vain()
    assert await starts.open("broken") == PASSES
    assert starts.tried == TOLERATED_STARTS
    assert not starts.transport.stays_in("broken")


async def test_a_broken_home_costs_no_other_its_process() -> None:
    starts = Starts()
    await starts.in_vain()
    assert starts.transport.stays_in("sound")
    assert await starts.open("sound") == STAYS


async def test_a_home_is_tried_again_after_a_pause() -> None:
    starts = Starts()
    await starts.in_vain()
    starts.now += PAUSE_SECONDS
    assert await starts.open("broken") == PASSES
    assert starts.tried == TOLERATED_STARTS + 1
    assert await starts.open("broken") == PASSES
    assert starts.tried == TOLERATED_STARTS + 1
    starts.now += PAUSE_SECONDS
    starts.broken.clear()
    assert await starts.open("broken") == STAYS
    assert starts.transport.stays_in("broken")


async def test_a_start_that_works_begins_the_count_anew() -> None:
    starts = Starts()
    for _ in range(TOLERATED_STARTS):
        starts.broken = {"home"}
        assert await starts.open("home") == PASSES
        starts.broken = set()
        assert await starts.open("home") == STAYS


async def test_only_a_bounded_number_of_homes_is_remembered() -> None:
    starts = Starts()
    await starts.in_vain()
    starts.broken |= {str(at) for at in range(REMEMBERED)}
    for at in range(REMEMBERED):
        await starts.open(str(at))
    assert starts.transport.stays_in("broken")


async def test_the_setting_persistent_never_gives_up() -> None:
    starts = Starts("persistent")
    for _ in range(TOLERATED_STARTS + 1):
        with pytest.raises(AgentFailed):
            await starts.open("broken")
    assert starts.transport.stays_in("broken")


async def test_the_setting_process_never_tries() -> None:
    starts = Starts("process")
    assert await starts.open("sound") == PASSES
    assert (starts.tried, starts.transport.stays_in("sound")) == (0, False)


async def test_a_program_that_is_missing_is_no_start_in_vain() -> None:
    starts = Starts(cause="missing")
    for _ in range(TOLERATED_STARTS + 1):
        with pytest.raises(AgentFailed):
            await starts.open("broken")
