"""A runtime whose program is missing lists nothing; it is looked for now and then."""

from collections.abc import Sequence

import pytest

from codara.adapters.agents.pool import presence as looking
from codara.adapters.agents.pool.presence import Presence
from codara.errors import AgentFailed
from tests.fakes.runtime import ProgramRuntime


def a_runtime(*, there: bool = True) -> ProgramRuntime:
    return ProgramRuntime(there=there, listed=("gpt-5",))


async def test_a_program_that_is_there_is_looked_for_once() -> None:
    presence, runtime = Presence(), a_runtime()
    for _ in range(3):
        assert await presence.models(runtime) == ("gpt-5",)
    assert runtime.looked == 1


async def test_a_missing_one_is_named_with_its_remedy_every_time() -> None:
    presence, runtime = Presence(), a_runtime(there=False)
    for _ in range(2):
        with pytest.raises(AgentFailed, match="install it"):
            await presence.models(runtime)
    assert runtime.looked == 1


async def test_a_program_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    presence, runtime = Presence(), a_runtime(there=False)
    with pytest.raises(AgentFailed):
        await presence.models(runtime)
    monkeypatch.setattr(looking, "LOOK_SECONDS", 0.0)
    runtime.there = True
    assert await presence.models(runtime) == ("gpt-5",)


async def test_an_agent_without_a_program_lists_what_it_has() -> None:
    class Inside:
        name = "inside"

        def models(self) -> Sequence[str]:
            return ("one",)

    assert await Presence().models(Inside()) == ("one",)  # type: ignore[arg-type]
    assert await Presence().models(None) == ()
