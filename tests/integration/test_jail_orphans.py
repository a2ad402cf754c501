"""What a gateway that dies was still making ends too, although no other gateway comes after it."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codara.adapters.jail import marks, orphans, processes
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.spawner import Spawner
from codara.errors import JailUnavailable
from tests.fakes.journal import Journal
from tests.jail_setup import Place, need_bubblewrap
from tests.processes import command_lines

pytestmark = pytest.mark.cli

GATEWAY = """
import subprocess, sys, time
from codara.adapters.jail import marks
from codara.adapters.jail.orphans import OrphanWatch
watch = OrphanWatch()
words = [sys.executable, "-c", "import time; time.sleep(600)", marks.mark("jail_half_made")]
subprocess.Popen(words, start_new_session=True)
print(marks.mark("jail_half_made"), flush=True)
{then}
"""


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    need_bubblewrap()


def bearing(mark: str) -> list[int]:
    found = [int(pid) for pid, words in command_lines() if mark.encode() in words]
    return [pid for pid in found if processes.start_time(pid) is not None]


def watches_of(pid: int) -> list[int]:
    below = processes.descendants(pid)
    watching = orphans.__name__.encode()
    return [each for each in below if watching in (processes.command_line(each) or b"")]


def the_watch_of(pid: int) -> int:
    """The one watch of a process; its command line may come a moment after its start."""
    give_up = time.monotonic() + 20
    while not (found := watches_of(pid)):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    (watch,) = found
    return watch


def appears(mark: str) -> int:
    """The process that bears the mark; its command line may come a moment after its start."""
    give_up = time.monotonic() + 20
    while not (found := bearing(mark)):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    (pid,) = found
    return pid


def ends(pid: int) -> bool:
    """Whether a process ends soon."""
    give_up = time.monotonic() + 20
    while processes.start_time(pid) is not None:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def a_gateway(then: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A process with a watch and something half made, and the mark of that."""
    words = [sys.executable, "-c", GATEWAY.format(then=then)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().decode().strip()
        finally:
            process.kill()


def test_what_was_half_made_ends_with_a_gateway_that_is_killed() -> None:
    with a_gateway("time.sleep(600)") as (gateway, mark):
        half_made, watch = appears(mark), the_watch_of(gateway.pid)
        gateway.kill()
        assert ends(half_made)
        assert ends(watch)


def test_what_was_half_made_ends_with_a_gateway_that_ends_in_order() -> None:
    with a_gateway("sys.stdin.read()") as (gateway, mark):
        half_made = appears(mark)
        assert gateway.stdin is not None
        gateway.stdin.close()
        assert ends(half_made)
        assert gateway.wait() == 0


def test_a_watch_is_deaf_to_the_keyboard_of_its_gateway() -> None:
    with a_gateway("time.sleep(600)") as (gateway, _):
        watch = the_watch_of(gateway.pid)
        assert os.getsid(watch) == watch
        gateway.kill()
        assert ends(watch)


async def test_jails_that_are_closed_in_order_leave_no_watch() -> None:
    jails = Bubblewrap(Journal())
    before = watches_of(os.getpid())
    await jails.start_up()
    try:
        async with asyncio.timeout(20):
            while len(watches_of(os.getpid())) == len(before):
                await asyncio.sleep(0.01)
    finally:
        await jails.close()
    assert watches_of(os.getpid()) == before


def test_what_is_still_becoming_a_program_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment at its start a program has no command line, and bears no mark in it."""
    mark, looks = marks.mark("jail_becoming"), 0
    read = processes.command_line
    words = [sys.executable, "-c", "import time; time.sleep(600)", mark]
    with subprocess.Popen(words, start_new_session=True) as child:

        def hidden(pid: int) -> bytes | None:
            nonlocal looks
            looks += pid == child.pid
            return b"" if pid == child.pid and looks < 20 else read(pid)

        monkeypatch.setattr(processes, "command_line", hidden)
        marks.end_marked(mark, 10.0)
        assert child.wait() == -signal.SIGKILL


async def test_a_child_that_was_started_but_not_handed_over_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a descriptor fails between the fork and the word that all went well."""
    journal = Journal()
    jails = Bubblewrap(journal)
    await jails.start_up()
    place = Place(jails, journal, tmp_path)
    await place.make()
    spec = place.spec("/bin/sleep", "600")
    start = Spawner._start
    started: list[subprocess.Popen[bytes]] = []

    def breaks(*words: Any) -> object:
        started.append(start(*words))
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(Spawner, "_start", breaks)
    with pytest.raises(JailUnavailable, match="Bad file descriptor"):
        await place.start(spec)
    assert bearing(marks.mark(spec.jail_id)) == []
    await place.close()
    with started[0] as child:
        assert child.wait() < 0
