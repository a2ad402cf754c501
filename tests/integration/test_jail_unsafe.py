"""Without walls the same promises hold for processes: nothing outlives its agent."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from codara.adapters.jail import priority, processes
from codara.adapters.jail.unsafe import Unsafe
from codara.errors import JailUnavailable
from tests.fakes.journal import Journal
from tests.jail_setup import Place
from tests.processes import agents_below


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
async def place(journal, tmp_path):
    jails = Unsafe(journal)
    await jails.start_up()
    made = Place(jails, journal, tmp_path)
    await made.make()
    yield made
    await made.close()


def alive(pid):
    return processes.start_time(pid) is not None


async def test_an_agent_runs_in_its_workspace_with_a_clean_environment(place, journal, monkeypatch):
    monkeypatch.setenv("CODARA_MASTER_KEY", "secret")
    spec = place.spec("/bin/sh", "-c", "pwd; env; exit 4", env={"AGENT": "yes"})
    code, said, _ = await place.run(spec)
    lines = said.splitlines()
    assert code == 4
    assert lines[0] == str(place.workspace)
    assert "AGENT=yes" in lines
    assert f"HOME={place.home}" in lines
    assert "CODARA_MASTER_KEY" not in said
    assert [(name, facts.get("jailed")) for name, _, facts in journal.told] == [
        ("started", False),
        ("exited", None),
    ]


async def test_an_agent_and_what_it_starts_give_way_to_the_gateway(place):
    code, said, _ = await place.run(place.spec("/bin/sh", "-c", "nice; setsid -w nice"))
    lower = str(min(os.nice(0) + priority.NICE, priority.LOWEST))
    assert (code, said.split()) == (0, [lower, lower])


async def test_a_kill_ends_children_that_ran_away(place):
    script = "setsid sleep 1234567 & echo $!; (setsid sleep 1234567 & echo $!); wait"
    jail = await place.start(place.spec("/bin/sh", "-c", script))
    children = [int(await jail.stdout.readline()) for _ in range(2)]
    assert all(map(alive, children))
    await jail.kill("a test")
    assert not any(map(alive, children))
    await jail.close()


async def test_a_daemon_does_not_outlive_its_agent(place):
    script = "setsid sleep 1234567 >/dev/null 2>&1 & echo $!"
    code, said, _ = await place.run(place.spec("/bin/sh", "-c", script))
    assert code == 0
    assert not alive(int(said))


async def test_a_missing_program_is_said_to_be_missing(place):
    code, _, complaint = await place.run(place.spec("/no/such/agent"))
    assert code == 127
    assert "/no/such/agent: No such file" in complaint


async def test_a_read_only_workspace_is_refused(place):
    spec = place.spec("/bin/true", read_only_workspace=True)
    with pytest.raises(JailUnavailable, match="read-only"):
        await place.start(spec)


async def test_a_cancelled_start_leaves_nothing(place, journal):
    journal.may_start.clear()
    before = await agents_below(os.getpid())
    spec = place.spec("/bin/sleep", "1234567")
    starting = asyncio.create_task(place.start(spec))
    await asyncio.wait_for(journal.asked.wait(), 20)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    assert set(await agents_below(os.getpid())) <= set(before)


async def test_files_may_not_grow_without_bound(place):
    from codara.adapters.jail.spec import MIB, JailLimits

    spec = place.python("open('big', 'wb').write(bytes(4 << 20))", limits=JailLimits(file_size=MIB))
    code, _, _ = await place.run(spec)
    assert code != 0
    assert Path(place.workspace, "big").stat().st_size <= MIB
