"""The pool: one process per home, bounded in number, memory and patience."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from agent_turn import turn

from codara.adapters.agents.pool import pool as pooling
from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.agents.pool.room import Bounds
from codara.adapters.agents.pool.slots import HomeKey
from codara.application.ports.agents import Fork, Image, Outcome
from codara.errors import AgentFailed, Overloaded, ShuttingDown, StorageFull
from tests.fakes.runtime import SessionRuntime
from tests.fakes.sink import Listener

HEAVY = 100


class Scales:
    """Weighs every live process at `HEAVY` bytes."""

    def __init__(self, *runtimes: SessionRuntime) -> None:
        self.runtimes = runtimes

    async def __call__(self) -> Mapping[HomeKey, int]:
        return {(home, each.name): HEAVY for each in self.runtimes for home in each.live()}


@pytest.fixture
def runtime() -> SessionRuntime:
    return SessionRuntime()


@pytest.fixture
async def pool(runtime: SessionRuntime) -> AsyncIterator[AgentPool]:
    opened = AgentPool({"codex": runtime})
    yield opened
    await opened.close()


async def run(pool: AgentPool, workspace_id: str = "wsp_1", **changes: Any) -> Outcome:
    return await pool.run(turn(workspace_id, **changes), Listener())


async def at_work(runtime: SessionRuntime, pool: AgentPool, workspace_id: str) -> asyncio.Task[Any]:
    """A turn that is running and stays so until its session is opened."""
    runtime.working = True
    task = asyncio.create_task(run(pool, workspace_id))
    while not runtime.sessions or runtime.sessions[-1].workspace_id != workspace_id:
        await asyncio.sleep(0)
    await runtime.sessions[-1].at_work.wait()
    return task


async def test_an_agent_without_eyes_is_not_started_for_a_picture(
    pool: AgentPool, runtime: SessionRuntime
) -> None:
    with pytest.raises(AgentFailed, match="codex takes no pictures"):
        await run(pool, images=(Image("image/png", b"x"),))
    assert runtime.opened == []


async def test_what_can_be_forked_is_the_runtimes_word() -> None:
    pool = AgentPool({"codex": SessionRuntime(forks=True), "toy": SessionRuntime("toy")})
    found = [pool.forks(provider) for provider in ("codex", "toy", "nobody")]
    await pool.close()
    assert found == [True, False, False]


async def test_where_nothing_can_be_forked_a_fresh_thread_hears_everything() -> None:
    runtime, heard = SessionRuntime(), Listener()
    pool = AgentPool({"codex": runtime})
    fork = Fork(backend_id="thread", mark="point")
    await pool.run(turn(prompt="no", fork=fork, fresh_prompt="all of it"), heard)
    await pool.close()
    (given,) = runtime.opened
    assert (given.prompt, given.fork, heard.warnings) == ("all of it", None, ["fresh_thread"])


async def test_an_agent_is_there_but_hears_nothing_until_its_turn_is_permitted(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    asked, permission = asyncio.Event(), asyncio.Event()

    async def permitted() -> None:
        asked.set()
        await permission.wait()

    running = asyncio.create_task(run(pool, permitted=permitted))
    async with asyncio.timeout(10):
        await asked.wait()
    (session,) = runtime.sessions
    assert not session.at_work.is_set()
    permission.set()
    assert (await running).status == "completed"
    assert session.at_work.is_set()


async def test_what_keeps_a_turn_from_its_agent_leaves_the_agent_as_it_was(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    async def refused() -> None:
        raise StorageFull("no room")

    with pytest.raises(StorageFull):
        await run(pool, permitted=refused)
    (session,) = runtime.sessions
    assert not session.at_work.is_set()
    assert (await run(pool)).status == "completed"
    assert runtime.live() == ["wsp_1"]
    assert len(runtime.sessions) == 1


async def test_a_home_keeps_its_process(runtime: SessionRuntime, pool: AgentPool) -> None:
    await run(pool)
    await run(pool)
    assert len(runtime.sessions) == 1


async def test_the_longest_unused_process_makes_room(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    for home in ("a", "b", "c", "a", "d"):
        await run(pool, home)
    assert sorted(runtime.live()) == ["a", "c", "d"]


async def test_nobodys_turn_waits_for_the_end_of_another_agent(runtime: SessionRuntime) -> None:
    slow = SessionRuntime(name="gemini", max_processes=1)
    pool = AgentPool({"codex": runtime, "gemini": slow})
    await run(pool, "a", provider="gemini")
    slow.sessions[0].let_end.clear()
    taking_over = asyncio.create_task(run(pool, "b", provider="gemini"))
    await slow.sessions[0].ending.wait()
    assert (await run(pool, "c")).status == "completed"
    assert not taking_over.done()
    slow.sessions[0].let_end.set()
    assert (await taking_over).status == "completed"
    await pool.close()


async def test_a_home_that_made_room_may_be_started_ahead_again(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.max_processes = 1
    for home in ("a", "b"):
        await run(pool, home)
    runtime.max_processes = 2
    pool.prepare(turn("a"))
    await run(pool, "b")
    assert [each.workspace_id for each in runtime.opened] == ["a", "b", "a"]


async def test_agents_that_weigh_too_much_make_room_for_the_next(runtime: SessionRuntime) -> None:
    other = SessionRuntime(name="gemini")
    bounds = Bounds(memory=HEAVY)
    pool = AgentPool(
        {"codex": runtime, "gemini": other}, bounds=bounds, weigh=Scales(runtime, other)
    )
    await run(pool, "a")
    await run(pool, "b", provider="gemini")
    await run(pool, "c")
    assert (runtime.live(), other.live()) == (["c"], ["b"])
    await pool.close()


async def test_agents_that_grow_are_ended_while_they_rest(
    runtime: SessionRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "WEIGHING_SECONDS", 0)
    pool = AgentPool({"codex": runtime}, bounds=Bounds(memory=HEAVY - 1), weigh=Scales(runtime))
    await run(pool)
    await runtime.sessions[0].ended
    assert runtime.live() == []
    await pool.close()


async def test_an_idle_agent_is_given_up_for_the_next_when_descriptors_run_short(
    runtime: SessionRuntime,
) -> None:
    short = False
    pool = AgentPool({"codex": runtime}, bounds=Bounds(crowded=lambda: short))
    await run(pool, "a")
    short = True
    await run(pool, "b")
    assert runtime.live() == ["b"]
    await pool.close()


async def test_without_an_idle_agent_a_turn_begins_although_descriptors_run_short(
    runtime: SessionRuntime,
) -> None:
    pool = AgentPool({"codex": runtime}, bounds=Bounds(crowded=lambda: True))
    assert (await run(pool)).status == "completed"
    await pool.close()


async def test_the_first_agent_may_weigh_what_it_wants(runtime: SessionRuntime) -> None:
    pool = AgentPool({"codex": runtime}, bounds=Bounds(memory=1), weigh=Scales(runtime))
    assert (await run(pool)).status == "completed"
    await pool.close()


async def test_waiting_for_a_free_process_is_bounded(runtime: SessionRuntime) -> None:
    runtime.max_processes = 1
    pool = AgentPool({"codex": runtime}, bounds=Bounds(patience=0.05))
    busy = await at_work(runtime, pool, "a")
    with pytest.raises(Overloaded):
        await run(pool, "b")
    runtime.sessions[0].open.set()
    await busy
    runtime.working = False
    assert (await run(pool, "b")).status == "completed"
    await pool.close()


async def test_whoever_waits_gets_the_process_that_becomes_free(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.max_processes = 1
    busy = await at_work(runtime, pool, "a")
    waiting = asyncio.create_task(run(pool, "b"))
    await asyncio.sleep(0)
    runtime.working = False
    runtime.sessions[0].open.set()
    assert (await busy).backend_id == "a"
    assert (await waiting).backend_id == "b"
    assert runtime.live() == ["b"]


async def test_a_rested_process_is_asked_before_it_gets_a_turn(
    runtime: SessionRuntime, pool: AgentPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(pool)
    await run(pool)
    assert runtime.sessions[0].asked == 0
    monkeypatch.setattr(pooling, "REST_SECONDS", 0)
    await run(pool)
    assert runtime.sessions[0].asked == 1
    assert len(runtime.sessions) == 1


async def test_a_process_that_answers_no_more_is_replaced(
    runtime: SessionRuntime, pool: AgentPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "REST_SECONDS", 0)
    monkeypatch.setattr(pooling, "ANSWER_SECONDS", 0)
    await run(pool)
    runtime.sessions[0].answering = False
    assert (await run(pool)).status == "completed"
    assert [each.closed for each in runtime.sessions] == [True, False]


async def test_a_process_that_died_is_replaced(runtime: SessionRuntime, pool: AgentPool) -> None:
    await run(pool)
    runtime.sessions[0].ended.set_result(None)
    await run(pool)
    assert len(runtime.sessions) == 2


async def test_an_unused_process_is_ended(runtime: SessionRuntime, pool: AgentPool) -> None:
    runtime.idle_seconds = 0
    await run(pool)
    await runtime.sessions[0].ended
    assert runtime.live() == []


async def test_a_process_can_be_started_ahead_of_its_turn(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.gate = asyncio.Event()
    pool.prepare(turn())
    pool.prepare(turn())
    await asyncio.sleep(0)
    ran = asyncio.create_task(run(pool))
    await asyncio.sleep(0)
    runtime.gate.set()
    assert (await ran).status == "completed"
    assert len(runtime.sessions) == 1


async def test_nothing_is_ended_to_start_a_process_ahead(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.max_processes = 1
    await run(pool, "a")
    pool.prepare(turn("b"))
    await asyncio.sleep(0)
    assert runtime.live() == ["a"]


async def test_nothing_is_ended_for_its_weight_to_start_a_process_ahead(
    runtime: SessionRuntime,
) -> None:
    pool = AgentPool({"codex": runtime}, bounds=Bounds(memory=HEAVY - 1), weigh=Scales(runtime))
    await run(pool, "a")
    pool.prepare(turn("b"))
    assert (await run(pool, "a")).status == "completed"
    while pool._preparing:
        await asyncio.sleep(0)
    assert runtime.live() == ["a"]
    assert (await run(pool, "b")).status == "completed"
    await pool.close()


async def test_a_start_ahead_expects_the_account_of_the_last_turn(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    await run(pool, "a", account_id="acc_9", on_login=True)
    pool.prepare(turn("b", account_id=""))
    await asyncio.sleep(0)
    await run(pool, "b")
    ahead = runtime.opened[1]
    assert (ahead.workspace_id, ahead.account_id, ahead.on_login) == ("b", "acc_9", True)


async def test_a_runtime_that_needs_an_account_is_not_started_ahead(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.early = False
    pool.prepare(turn())
    await asyncio.sleep(0)
    assert pool.processes() == {"codex": 0}
    assert runtime.sessions == []


async def test_a_start_ahead_that_fails_is_the_turns_own_failure(
    runtime: SessionRuntime, pool: AgentPool
) -> None:
    runtime.broken = True
    pool.prepare(turn())
    with pytest.raises(AgentFailed):
        await run(pool)
    runtime.broken = False
    assert (await run(pool)).status == "completed"


async def test_closing_leaves_nothing_that_is_idle_at_work_or_on_its_way(
    runtime: SessionRuntime,
) -> None:
    pool = AgentPool({"codex": runtime})
    await run(pool, "idle")
    busy = await at_work(runtime, pool, "busy")
    runtime.gate = asyncio.Event()
    coming = asyncio.create_task(run(pool, "coming"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    runtime.gate.set()
    await closing
    assert runtime.live() == []
    with pytest.raises(ShuttingDown):
        await coming
    busy.cancel()
    await asyncio.wait({busy})
    with pytest.raises(ShuttingDown):
        await run(pool, "late")


async def test_closing_gives_up_what_was_started_ahead(runtime: SessionRuntime) -> None:
    pool = AgentPool({"codex": runtime})
    runtime.gate = asyncio.Event()
    pool.prepare(turn())
    await asyncio.sleep(0)
    await pool.close()
    assert runtime.live() == []
    assert pool.processes() == {"codex": 0}


async def test_a_process_that_cannot_be_ended_as_it_should_keeps_no_home_and_no_room(
    runtime: SessionRuntime,
) -> None:
    runtime.max_processes = 1
    pool = AgentPool({"codex": runtime})
    await run(pool, "a")
    runtime.sessions[0].closes = False
    for home in ("b", "a"):
        assert (await run(pool, home)).status == "completed"
    runtime.sessions[-1].closes = False
    await pool.close()
    assert pool.processes() == {"codex": 0}


async def test_closing_ends_the_others_beside_one_that_cannot_be_ended(
    runtime: SessionRuntime,
) -> None:
    pool = AgentPool({"codex": runtime})
    for home in ("a", "b", "c"):
        await run(pool, home)
    runtime.sessions[0].closes = False
    await pool.close()
    assert runtime.live() == []
