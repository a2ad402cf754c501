"""What still runs after a turn is told by pids and by programs, never by names."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codara.adapters.agents.session.leftovers import NOBODY, living, strangers
from codara.adapters.jail import processes

NAP = "613"
HERE = os.getpid()


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A program that sleeps."""
    return Path(shutil.copy("/bin/sleep", tmp_path / "agent-helper"))


@contextmanager
def child(*words: str) -> Iterator[int]:
    process = subprocess.Popen(words)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def below(pid: int) -> int:
    """The one child of a process, as soon as it has one that is no copy of itself."""
    async with asyncio.timeout(20):
        while not (found := processes.descendants(pid)) or _program(found[0]) == _program(pid):
            await asyncio.sleep(0.01)
    return found[0]


def _program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def test_what_ran_before_is_no_stranger() -> None:
    with child("sleep", NAP) as pid:
        own = living(HERE)
        assert pid in {each for each, _ in own}
        assert strangers(HERE, own) == []


def test_a_pid_that_another_process_has_by_now_is_a_stranger() -> None:
    before = living(HERE)
    with child("sleep", NAP) as pid:
        assert strangers(HERE, before | {(pid, 1)}) == [pid]


def test_what_is_gone_is_no_stranger() -> None:
    with child("sleep", NAP) as pid:
        pass
    assert pid not in strangers(HERE, NOBODY)


async def test_a_helper_that_an_own_process_runs_is_no_stranger(helper: Path) -> None:
    with child("sh", "-c", f"{helper} {NAP}; true") as agent:
        own = frozenset({(agent, processes.start_time(agent) or 0)})
        started = await below(agent)
        try:
            assert strangers(agent, own, (helper,)) == []
            assert strangers(agent, own) == [started]
            assert strangers(agent, NOBODY, (helper,)) == [started]
        finally:
            os.kill(started, 9)


async def test_a_name_alone_makes_no_helper(helper: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    disguised = shutil.copy("/bin/sleep", tmp_path / "elsewhere" / helper.name)
    with child("sh", "-c", f"{disguised} {NAP}; true") as agent:
        own = frozenset({(agent, processes.start_time(agent) or 0)})
        started = await below(agent)
        try:
            assert strangers(agent, own, (helper,)) == [started]
        finally:
            os.kill(started, 9)
