import asyncio
import os
import subprocess

import pytest

from codara.adapters.jail import pidfds, processes


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["/bin/sleep", "600"])
    yield child
    child.kill()
    child.wait()


def test_a_process_is_known_by_its_start(sleeper):
    began = processes.start_time(sleeper.pid)
    assert began >= processes.start_time(os.getpid())
    assert sleeper.pid in processes.descendants(os.getpid())


def test_a_zombie_counts_as_gone(sleeper):
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(sleeper.pid) is None


def test_only_the_very_process_is_killed(sleeper):
    began = processes.start_time(sleeper.pid)
    assert not processes.kill_and_wait(sleeper.pid, began - 1, 5)
    assert sleeper.poll() is None
    assert processes.kill_and_wait(sleeper.pid, began, 5)


async def test_the_end_of_a_process_is_heard_of(sleeper):
    pidfd = os.pidfd_open(sleeper.pid)
    waiting = asyncio.create_task(pidfds.ended(pidfd))
    processes.send_kill(pidfd)
    await asyncio.wait_for(waiting, 5)
    os.close(pidfd)


def test_what_runs_or_is_gone_is_not_becoming_a_program(sleeper) -> None:
    assert not processes.is_becoming(os.getpid())
    assert not processes.is_becoming(processes.KERNEL_THREADS)
    assert not processes.is_becoming(2**22 + 1)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_becoming(sleeper.pid)


def test_a_young_process_without_a_command_line_is_becoming_a_program(sleeper, monkeypatch) -> None:
    monkeypatch.setattr(processes, "command_line", lambda _: b"")
    assert processes.is_becoming(sleeper.pid)
    assert not processes.is_becoming(processes.KERNEL_THREADS)
    assert not processes.is_becoming(1)
