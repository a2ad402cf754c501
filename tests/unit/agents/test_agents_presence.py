"""A runtime whose program is missing lists nothing; it is looked for now and then."""

from collections.abc import Sequence

import attrs
import pytest

from codara.adapters.agents.home.programs import Program
from codara.adapters.agents.pool import presence as looking
from codara.adapters.agents.pool.presence import Presence
from codara.errors import AgentFailed


@attrs.define
class FakeRuntime:
    there: bool = True
    looked: int = 0
    name: str = "codex"
    tested: str = "0.169"
    max_processes: int = 1
    idle_seconds: float = 1.0
    takes_images: bool = False
    forks: bool = False

    def program(self) -> Program:
        self.looked += 1
        if not self.there:
            raise AgentFailed("codex was not found: install it")
        return Program(path=None, folders=())  # type: ignore[arg-type]

    async def version(self) -> str:
        raise NotImplementedError

    def models(self) -> Sequence[str]:
        return ("gpt-5",)


async def test_a_program_that_is_there_is_looked_for_once() -> None:
    presence, runtime = Presence(), FakeRuntime()
    for _ in range(3):
        assert await presence.models(runtime) == ("gpt-5",)
    assert runtime.looked == 1


async def test_a_missing_one_is_named_with_its_remedy_every_time() -> None:
    presence, runtime = Presence(), FakeRuntime(there=False)
    for _ in range(2):
        with pytest.raises(AgentFailed, match="install it"):
            await presence.models(runtime)
    assert runtime.looked == 1


async def test_a_program_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    presence, runtime = Presence(), FakeRuntime(there=False)
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
