"""Homes are emptied, and threads in them forgotten, beside nobody's turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from agent_turn import turn

from codara.adapters.agents.contract import AgentSession, Keeping
from codara.adapters.agents.home import keeping
from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.home.keeping import AgentKeeper, FileKeeper
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.agents.pool.room import Bounds
from codara.adapters.agents.registry import maker
from codara.adapters.agents.session.answers import AgentRefused, Gone
from codara.adapters.agents.session.staying import Staying
from codara.adapters.agents.session.transport import TOLERATED_STARTS, Transport
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.config.providers import Provider
from codara.errors import AgentFailed, Overloaded
from codara.runtimes import PROVIDERS
from tests.agent_pool import an_idle_house, end_agents
from tests.fakes.jail import Box
from tests.fakes.runtime import FakeRuntime
from tests.fakes.sink import Listener

Deed = Callable[["FakeAgent", Sequence[str]], Awaitable[None]]


async def obeys(agent: "FakeAgent", ids: Sequence[str]) -> None:
    agent.told.append(tuple(ids))


class FakeAgent(Staying[Any]):
    """An agent that stays and works until it is let go; `deed` is how it forgets."""

    def __init__(self, ready: AgentTurn, deed: Deed) -> None:
        super().__init__(Box().launched, ready, lender=None, clock=None)  # type: ignore[arg-type]
        self.turn = ready
        self.told: list[tuple[str, ...]] = []
        self.memory: set[str] = set()
        self.go, self.at_work = asyncio.Event(), asyncio.Event()
        self.go.set()
        self.closed = False
        self._deed = deed

    def serves(self, turn: AgentTurn) -> bool:
        return turn.folder == self.turn.folder

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        self.at_work.set()
        await self.go.wait()
        return Outcome(status="completed")

    def remembers(self, thread_ids: Any) -> bool:
        return bool(self.memory & set(thread_ids))

    async def forget(self, backend_ids: Sequence[str]) -> None:
        await self._deed(self, backend_ids)

    async def close(self) -> None:
        self.closed = True
        if not self.ended.done():
            self.ended.set_result(None)

    def _listening(self, sink: FrameSink, garbage: int) -> Any: ...

    async def _converse(self, turn: AgentTurn, current: Any) -> str:
        return ""

    async def _interrupt(self, current: Any) -> None: ...


class StayingRuntime(FakeRuntime):
    """A runtime of fake agents."""

    def __init__(self, house: RuntimeContext, deed: Deed = obeys) -> None:
        super().__init__(max_processes=2)
        self._house = house
        self._settings = Provider(binary="x")
        self._transport = Transport("auto")
        self.deed = deed
        self.agents: list[FakeAgent] = []

    async def _staying(self, turn: AgentTurn) -> FakeAgent:
        assert turn.folder.is_dir()
        self.agents.append(FakeAgent(turn, self.deed))
        return self.agents[-1]

    async def open(self, turn: AgentTurn) -> AgentSession:
        self._house.homes.ensure(turn.workspace_id, self.name)
        return await self._staying(turn)


class ByAgent(StayingRuntime, AgentKeeper):
    pass


class ByFiles(StayingRuntime, FileKeeper):
    """Writes down what it was to remove."""

    removed: frozenset[str] = frozenset()

    def _remove(self, home: Path, backend_ids: Any) -> None:
        assert home.is_dir()
        self.removed = self.removed | backend_ids


@attrs.frozen
class Scene:
    root: Path
    runtime: Any
    pool: AgentPool

    async def run(self, workspace_id: str = "wsp_1") -> Outcome:
        folder = self.root / workspace_id
        folder.mkdir(exist_ok=True)
        return await self.pool.run(turn(workspace_id, folder=folder), Listener())

    async def at_work(self) -> "asyncio.Task[Outcome]":
        """A turn that stays at work until its agent is let go."""
        await self.run()
        agent = self.runtime.agents[-1]
        agent.go.clear()
        agent.at_work.clear()
        task = asyncio.create_task(self.run())
        await agent.at_work.wait()
        return task

    def homes(self) -> list[str]:
        return sorted(str(each.relative_to(self.root)) for each in self.root.glob("homes/*/*"))


async def a_scene(root: Path, kind: type[FakeRuntime]) -> AsyncIterator[Scene]:
    homes = Homes(root / "homes")
    house = an_idle_house(homes)
    runtime = kind(house)
    pool = AgentPool({"codex": runtime}, bounds=Bounds(patience=0.1))
    yield Scene(root, runtime, pool)
    await pool.close()


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Scene]:
    async for scene in a_scene(tmp_path, ByAgent):
        yield scene


@pytest.fixture
async def filed(tmp_path: Path) -> AsyncIterator[Scene]:
    async for scene in a_scene(tmp_path, ByFiles):
        yield scene


def test_every_runtime_of_the_registry_keeps_homes(tmp_path: Path) -> None:
    house = an_idle_house(Homes(tmp_path))
    for name in PROVIDERS:
        assert isinstance(maker(name)(Provider(binary=name), house), Keeping)


# ------------------------------------------------------------ emptying


async def test_emptied_homes_are_gone_and_their_agents_ended(told: Scene) -> None:
    await told.run()
    await told.run("wsp_2")
    await told.pool.empty_home("wsp_1")
    assert [agent.closed for agent in told.runtime.agents] == [True, False]
    assert told.homes() == ["homes/wsp_2/codex"]
    await told.pool.empty_home("wsp_1")
    await told.pool.empty_home("nobody")
    await told.run()
    assert told.homes() == ["homes/wsp_1/codex", "homes/wsp_2/codex"]


async def test_a_turn_at_work_is_waited_for_and_the_next_one_has_a_new_home(told: Scene) -> None:
    task = await told.at_work()
    emptying = asyncio.create_task(told.pool.empty_home("wsp_1"))
    await asyncio.sleep(0)
    later = asyncio.create_task(told.run())
    await asyncio.sleep(0.05)
    assert not emptying.done() and told.homes() == ["homes/wsp_1/codex"]
    (told.root / "homes" / "wsp_1" / "codex" / "old").touch()
    told.runtime.agents[0].go.set()
    assert (await task).status == "completed"
    await emptying
    assert (await later).status == "completed"
    assert len(told.runtime.agents) == 2
    assert not (told.root / "homes" / "wsp_1" / "codex" / "old").exists()


async def test_an_emptied_home_is_a_new_one_to_the_transport(told: Scene) -> None:
    async def vain() -> AgentSession:
        raise AgentFailed("it did not start", cause="crashed")

    for _ in range(TOLERATED_STARTS):
        await told.runtime._transport.open("wsp_1", vain, lambda: None)
    assert not told.runtime._transport.stays_in("wsp_1")
    await told.pool.empty_home("wsp_1")
    assert told.runtime._transport.stays_in("wsp_1")


async def test_a_cancelled_emptying_lets_nobody_in_before_it_is_done(
    told: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told.run()
    removing, remove = asyncio.Event(), Homes.remove
    loop = asyncio.get_running_loop()

    def slowly(self: Homes, workspace_id: str) -> None:
        loop.call_soon_threadsafe(removing.set)
        asyncio.run(asyncio.sleep(0.05))
        remove(self, workspace_id)

    monkeypatch.setattr(Homes, "remove", slowly)
    emptying = asyncio.create_task(told.pool.empty_home("wsp_1"))
    await removing.wait()
    emptying.cancel()
    later = asyncio.create_task(told.run())
    with pytest.raises(asyncio.CancelledError):
        await emptying
    await later
    assert told.homes() == ["homes/wsp_1/codex"]


# ------------------------------------------------------------ forgetting by an agent


async def test_the_agent_in_the_home_is_told(told: Scene) -> None:
    await told.run()
    await told.pool.forget("wsp_1", "codex", ["one", "two", "one"])
    await told.run()
    (agent,) = told.runtime.agents
    assert (agent.told, agent.closed) == ([("one", "two")], False)


async def test_without_one_another_is_started_for_as_long_as_it_takes(told: Scene) -> None:
    await told.run()
    await end_agents(told.pool, "wsp_1")
    await told.pool.forget("wsp_1", "codex", ["one"])
    agent = told.runtime.agents[-1]
    assert (agent.told, agent.closed) == ([("one",)], True)
    assert agent.turn.workspace_id == "wsp_1"
    assert agent.turn.folder == told.root / "homes" / "wsp_1" / "errand-codex"
    assert told.homes() == ["homes/wsp_1/codex"]
    assert told.pool.processes() == {"codex": 0}


async def test_a_turn_at_work_ends_first_and_the_next_waits(told: Scene) -> None:
    task = await told.at_work()
    agent = told.runtime.agents[0]
    forgetting = asyncio.create_task(told.pool.forget("wsp_1", "codex", ["one"]))
    later = asyncio.create_task(told.run())
    await asyncio.sleep(0.02)
    assert agent.told == []
    agent.go.set()
    await asyncio.gather(task, forgetting, later)
    assert agent.told == [("one",)]


async def test_nothing_is_started_where_there_is_nothing_to_forget(told: Scene) -> None:
    await told.pool.forget("wsp_1", "codex", ["one"])
    await told.pool.forget("wsp_1", "codex", [])
    await told.pool.forget("wsp_1", "nobody", ["one"])
    assert told.runtime.agents == []
    assert told.homes() == []
    assert await told.pool.home_bytes("wsp_1", "codex") == 0
    assert await told.pool.home_bytes("wsp_1", "nobody") == 0


@pytest.mark.parametrize("error", [AgentRefused("no"), Gone(), KeyError("odd")])
@pytest.mark.parametrize("warm", [True, False])
async def test_an_agent_that_does_not_do_it_is_ended(
    told: Scene, error: Exception, warm: bool
) -> None:
    async def refuses(agent: FakeAgent, ids: Sequence[str]) -> None:
        raise error

    told.runtime.deed = refuses
    await told.run()
    if not warm:
        await end_agents(told.pool, "wsp_1")
    with pytest.raises(AgentFailed, match="does not forget"):
        await told.pool.forget("wsp_1", "codex", ["one"])
    assert all(agent.closed for agent in told.runtime.agents)
    assert (await told.run()).status == "completed"


async def test_an_agent_that_falls_silent_is_ended(
    told: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(agent: FakeAgent, ids: Sequence[str]) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(keeping, "FORGET_SECONDS", -0.95)
    told.runtime.deed = hangs
    await told.run()
    with pytest.raises(AgentFailed):
        await told.pool.forget("wsp_1", "codex", ["one"])
    assert told.runtime.agents[0].closed


async def test_where_no_process_becomes_free_nothing_is_forgotten(told: Scene) -> None:
    await told.run("wsp_2")
    await end_agents(told.pool, "wsp_2")
    tasks = []
    for workspace in ("wsp_1", "wsp_3"):
        await told.run(workspace)
        agent = told.runtime.agents[-1]
        agent.go.clear()
        agent.at_work.clear()
        tasks.append(asyncio.create_task(told.run(workspace)))
        await agent.at_work.wait()
    with pytest.raises(Overloaded):
        await told.pool.forget("wsp_2", "codex", ["one"])
    for agent in told.runtime.agents:
        agent.go.set()
    await asyncio.gather(*tasks)
    await told.pool.forget("wsp_2", "codex", ["one"])
    assert told.runtime.agents[-1].told == [("one",)]


# ------------------------------------------------------------ forgetting by files


async def test_files_are_removed_beside_an_agent_that_does_not_have_the_thread(
    filed: Scene,
) -> None:
    await filed.run()
    (agent,) = filed.runtime.agents
    agent.memory = {"two"}
    await filed.pool.forget("wsp_1", "codex", ["one"])
    assert (filed.runtime.removed, agent.closed) == ({"one"}, False)
    await filed.pool.forget("wsp_1", "codex", ["two", "three"])
    assert (filed.runtime.removed, agent.closed) == ({"one", "two", "three"}, True)
    await filed.run()
    assert len(filed.runtime.agents) == 2


async def test_without_an_agent_none_is_started_to_remove_files(filed: Scene) -> None:
    await filed.run()
    await end_agents(filed.pool, "wsp_1")
    await filed.pool.forget("wsp_1", "codex", ["one"])
    assert (filed.runtime.removed, len(filed.runtime.agents)) == ({"one"}, 1)
