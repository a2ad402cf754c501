"""Forks of threads by scripted agents of each runtime, also where one does not make the copy."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from codara.application.ports.agents import Fork
from codara.application.ports.frames import BackendSeen
from codara.clock import utc_now
from tests.agent_pool import Den
from tests.fakes.sink import Listener
from tests.scripted_agents import CAT, NAMES, TRANSPORTS, a_scripted_den, at_work, digest

NOBODY = "00000000-0000-4000-8000-000000000000"
POINT, NOWHERE = "msg_1", "msg_nowhere"
DEAF, MISSHAPEN = Fork(backend_id="ses_deaf", mark=POINT), Fork(backend_id="ses_odd", mark=POINT)
COPIERS = ("codex", "opencode")
"""Those whose process that stays copies a thread, also for a turn by a process of its own."""
BOTH = [(name, transport) for name in NAMES for transport in TRANSPORTS]


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    name, transport, *options = request.param
    async with a_scripted_den(tmp_path, name, *options, transport=transport) as den:
        yield den


def ways(*cases: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("den", cases, indirect=True, ids=map(" ".join, cases))


each_way = ways(*BOTH)
copying = ways(*(case for case in BOTH if case[0] in (*COPIERS, "claude")))
copiers_stay = ways(*((name, "persistent") for name in COPIERS))
copiers_pass = ways(*((name, "process") for name in COPIERS))


@copying
async def test_a_copy_has_a_thread_of_its_own(den: Den) -> None:
    first, _ = await den.run("hello")
    fork = Fork(backend_id=str(first.backend_id), mark=POINT)
    copy, heard = await den.run("forked", fork=fork, fresh_prompt="all of it")
    assert (copy.status, heard.text, heard.warnings) == ("completed", "You said: forked", [])
    assert copy.backend_id not in (None, first.backend_id)
    assert BackendSeen(str(copy.backend_id)) in heard.of(BackendSeen)
    for thread in (first.backend_id, copy.backend_id):
        again, heard = await den.run("on", backend_id=thread)
        assert (again.backend_id, heard.warnings) == (thread, [])


@each_way
async def test_where_the_thread_is_lost_a_fresh_one_hears_everything(den: Den) -> None:
    told = {"fresh_prompt": "[[pictures]]", "fresh_images": (CAT,)}
    outcome, heard = await den.run("no", fork=Fork(backend_id=NOBODY, mark=POINT), **told)
    assert (outcome.status, heard.text) == ("completed", digest(CAT))
    assert heard.warnings == ["fresh_thread"]
    assert outcome.backend_id not in (None, NOBODY)


@each_way
async def test_where_the_point_is_lost_a_fresh_thread_hears_everything(den: Den) -> None:
    first, _ = await den.run("hello")
    fork = Fork(backend_id=str(first.backend_id), mark=NOWHERE)
    outcome, heard = await den.run("no", fork=fork, fresh_prompt="all of it")
    assert (outcome.status, heard.text) == ("completed", "You said: all of it")
    assert heard.warnings == ["fresh_thread"]
    assert outcome.backend_id not in (None, first.backend_id)


@ways(*((name, "auto", "--old") for name in COPIERS))
async def test_where_no_process_stays_there_is_no_copy(den: Den) -> None:
    first, _ = await den.run("hello")
    fork = Fork(backend_id=str(first.backend_id), mark=POINT)
    outcome, heard = await den.run("no", fork=fork, fresh_prompt="all of it")
    assert (outcome.status, heard.text) == ("completed", "You said: all of it")
    assert heard.warnings == ["fresh_thread"]


@copiers_stay
async def test_a_copy_of_an_odd_shape_fails_the_turn(den: Den) -> None:
    outcome, _ = await den.run("no", fork=MISSHAPEN)
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    outcome, _ = await den.run("hello")
    assert outcome.status == "completed"


@copiers_pass
async def test_a_copy_of_an_odd_shape_is_none_to_a_process_of_its_own(den: Den) -> None:
    outcome, heard = await den.run("no", fork=MISSHAPEN, fresh_prompt="all of it")
    assert (outcome.status, heard.text) == ("completed", "You said: all of it")
    assert heard.warnings == ["fresh_thread"]


@ways(*((name, transport) for name in COPIERS for transport in TRANSPORTS))
async def test_a_copy_that_never_comes_is_waited_for_no_longer_than_the_turn(den: Den) -> None:
    until = utc_now() + timedelta(seconds=2)
    outcome, _ = await den.run("no", fork=DEAF, until=until)
    assert (outcome.status, outcome.cause) == ("failed", "timeout")
    outcome, _ = await den.run("hello")
    assert outcome.status == "completed"


@ways(*((name, transport) for name in COPIERS for transport in TRANSPORTS))
async def test_cancelling_while_a_thread_is_copied_leaves_nothing_running(den: Den) -> None:
    turn = asyncio.create_task(den.pool.run(den.turn("no", fork=DEAF), Listener()))
    async with asyncio.timeout(30):
        while not den.journal.started_jails:
            await asyncio.sleep(0.01)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await den.close_home("wsp_1")
    assert at_work(den.root) == []
