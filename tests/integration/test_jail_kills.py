"""Whatever ends a jail, nothing of it is left: processes, control groups, mounts."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import attrs
import pytest

from codara.adapters.jail import limits, marks, processes, staging
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.sweeper import Sweeper
from codara.errors import ShuttingDown
from tests.fakes.journal import Journal
from tests.jail_setup import Place, need_bubblewrap

pytestmark = pytest.mark.cli


@attrs.frozen(kw_only=True)
class Left:
    jail_id: str
    inner_pid: int
    start_time: int
    boot_id: str


DELAYS = [at * 0.003 for at in range(12)]

GATEWAY = """
import asyncio, json, os, sys
from pathlib import Path
from codara.adapters.jail.bubblewrap import Bubblewrap
from tests.jail_setup import Journal, Place

class Told(Journal):
    async def started(self, *, jail_id, **facts):
        print(json.dumps({"jail_id": jail_id} | facts), flush=True)

async def main():
    journal = Told()
    jails = Bubblewrap(journal)
    await jails.start_up()
    place = Place(jails, journal, Path(sys.argv[1]))
    await place.make()
    print("starting", flush=True)
    await place.start(place.spec("/bin/sleep", sys.argv[2]))
    print("running", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture(scope="module", autouse=True)
def bubblewrap():
    need_bubblewrap()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
async def jails(journal):
    made = Bubblewrap(journal)
    await made.start_up()
    yield made
    await made.close()


@pytest.fixture
async def place(jails, journal, tmp_path):
    made = Place(jails, journal, tmp_path)
    await made.make()
    yield made
    await made.close()


@pytest.fixture
def mark(request):
    """A number of seconds nobody else sleeps for, by which our processes are found."""
    return str(10_000_000 + os.getpid() * 100 + abs(hash(request.node.name)) % 100)


def running(mark):
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if processes.start_time(pid) is not None]


async def none_left(mark, sweeper=None):
    """Processes end a moment after their parent did: a bounded look, not a guess.

    A child that had not yet become bubblewrap when it was swept is found by the next sweep.
    """
    give_up = time.monotonic() + 10
    while left := running(mark):
        assert time.monotonic() < give_up, left
        await asyncio.sleep(0.01)
        if sweeper is not None:
            await sweeper.sweep([])


def groups_left(jail_id):
    return [
        group
        for folder in limits.probe().folders
        for group in folder.glob(f"{marks.PREFIX}*{jail_id}")
    ]


async def test_a_kill_ends_children_that_ran_away(place, journal, mark):
    script = f"for i in 1 2 3; do setsid sleep {mark} & done; echo made; wait"
    jail = await place.start(place.spec("/bin/sh", "-c", script))
    assert await jail.stdout.readline() == b"made\n"
    await jail.kill("a test")
    assert running(mark) == []
    assert await jail.wait() == 137
    assert groups_left(jail.jail_id) == []
    assert journal.names() == ["started", "killed", "exited"]
    await jail.close()


async def test_a_daemon_does_not_outlive_its_agent(place, journal, mark):
    spec = place.spec("/bin/sh", "-c", f"setsid sleep {mark} & exit 3")
    code, _, _ = await place.run(spec)
    assert code == 3
    assert running(mark) == []
    assert journal.names() == ["started", "exited"]


async def test_an_agent_that_heeds_the_end_of_its_input_is_not_killed(place, journal):
    jail = await place.start(place.spec("/bin/cat"))
    await jail.close(grace=10)
    assert journal.names() == ["started", "exited"]


async def test_the_death_of_the_outer_process_is_the_death_of_the_jail(place, mark):
    jail = await place.start(place.spec("/bin/sleep", mark))
    outer = processes.parents()[jail.inner_pid]
    os.kill(outer, signal.SIGKILL)
    assert await jail.wait() == 137
    await none_left(mark)
    await jail.close()


@pytest.mark.parametrize("delay", DELAYS)
async def test_a_start_that_is_cancelled_leaves_nothing(delay, place, mark):
    spec = place.spec("/bin/sleep", mark)
    starting = asyncio.create_task(place.start(spec))
    await asyncio.sleep(delay)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        jail = await starting
        await jail.kill("started too soon")
        await jail.close()
    assert running(mark) == []
    assert groups_left(spec.jail_id) == []


@pytest.mark.parametrize("delay", DELAYS)
async def test_a_kill_right_after_the_start_leaves_nothing(delay, place, mark):
    jail = await place.start(place.spec("/bin/sleep", mark))
    await asyncio.sleep(delay / 4)
    await jail.kill("a test")
    assert running(mark) == []
    await jail.close()


async def test_the_first_instruction_waits_for_the_log(place, journal):
    journal.may_start.clear()
    spec = place.spec("/bin/touch", "ran")
    starting = asyncio.create_task(place.start(spec))
    await asyncio.wait_for(journal.asked.wait(), 10)
    assert not (place.workspace / "ran").exists()
    journal.may_start.set()
    jail = await starting
    assert await jail.wait() == 0
    assert (place.workspace / "ran").exists()
    await jail.close()


async def test_a_start_can_be_cancelled_while_the_log_is_stuck(place, journal, mark):
    journal.may_start.clear()
    spec = place.spec("/bin/sleep", mark)
    starting = asyncio.create_task(place.start(spec))
    await asyncio.wait_for(journal.asked.wait(), 10)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert running(mark) == []


async def test_closing_ends_every_jail_and_refuses_new_ones(place, mark):
    for _ in range(3):
        await place.start(place.spec("/bin/sleep", mark))
    await place.jails.close()
    assert running(mark) == []
    with pytest.raises(ShuttingDown):
        await place.start(place.spec("/bin/true"))


async def test_mounts_are_taken_down_with_the_jail(place):
    spec = place.spec("/bin/true")
    await place.run(spec)
    left = await place.jails._spawner.run(lambda: Path("/proc/thread-self/mounts").read_text())
    assert spec.jail_id not in left


@pytest.mark.skipif(os.geteuid() != 0, reason="only a root gateway stages")
async def test_a_staging_folder_removed_on_the_host_is_made_again(place):
    def remove_as_the_host_would():
        staging._libc.umount2(str(staging.MOUNT_POINT).encode(), staging.MNT_DETACH)

    await place.jails._spawner.run(remove_as_the_host_would)
    code, _, _ = await place.run(place.spec("/bin/true"))
    assert code == 0


@contextlib.asynccontextmanager
async def a_gateway(folder, mark):
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, str(folder), mark, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield gateway
    finally:
        with contextlib.suppress(ProcessLookupError):
            gateway.kill()
        await gateway.communicate()


def left_by(said):
    facts = json.loads(said)
    names = ("jail_id", "inner_pid", "start_time", "boot_id")
    return Left(**{name: facts[name] for name in names})


@pytest.mark.parametrize("delay", DELAYS)
async def test_a_gateway_killed_during_a_start_leaves_nothing_after_the_sweep(
    delay, tmp_path, mark
):
    async with a_gateway(tmp_path, mark) as gateway:
        assert await gateway.stdout.readline() == b"starting\n"
        await asyncio.sleep(delay)
        gateway.kill()
        told, _ = await gateway.communicate()
    await Sweeper().sweep([left_by(line) for line in told.splitlines() if line[:1] == b"{"])
    await none_left(mark, Sweeper())
    assert groups_left(f"jail_test_{gateway.pid}_*") == []


async def test_a_gateway_killed_in_the_middle_leaves_nothing_after_the_sweep(tmp_path, mark):
    async with a_gateway(tmp_path, mark) as gateway:
        await gateway.stdout.readline()
        left = left_by(await gateway.stdout.readline())
        assert await gateway.stdout.readline() == b"running\n"
        gateway.kill()
        await gateway.wait()
    await Sweeper().sweep([left])
    await none_left(mark)
    assert groups_left(left.jail_id) == []


async def test_the_sweep_ends_a_jail_that_still_runs_and_names_it(place, journal, mark):
    jail = await place.start(place.spec("/bin/sleep", mark))
    _, _, facts = journal.told[0]
    left = Left(
        jail_id=jail.jail_id,
        inner_pid=facts["inner_pid"],
        start_time=facts["start_time"],
        boot_id=facts["boot_id"],
    )
    assert await Sweeper().sweep([left]) == [jail.jail_id]
    assert await jail.wait() == 137
    assert await Sweeper().sweep([left]) == []
    await jail.close()


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another"}])
async def test_the_sweep_spares_a_process_that_only_has_the_same_pid(change):
    facts = {
        "jail_id": "jail_other",
        "inner_pid": os.getpid(),
        "start_time": processes.start_time(os.getpid()),
        "boot_id": processes.boot_id(),
    }
    assert await Sweeper().sweep([Left(**(facts | change))]) == []
