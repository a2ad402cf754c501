"""Every descriptor is closed once: the number may be another thread's file by the second time."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codara.adapters.jail import pipes
from tests.jail_setup import need_bubblewrap

pytestmark = pytest.mark.cli

ROOT = Path(__file__).parents[2]
CHURN = """
import asyncio, sys
from pathlib import Path
import uvloop
from codara.adapters.jail.bubblewrap import Bubblewrap
from tests.jail_setup import Journal, Place

async def main():
    journal = Journal()
    jails = Bubblewrap(journal)
    await jails.start_up()
    place = Place(jails, journal, Path(sys.argv[1]))
    await place.make()

    async def some():
        for _ in range(3):
            code, _, _ = await place.run(place.spec("/bin/true"))
            assert code == 0
            jail = await place.start(place.spec("/bin/sleep", "60"))
            await jail.kill("enough")
            await jail.close()

    await asyncio.gather(some(), some(), some())
    await place.close()
    print("churned")

uvloop.run(main())
"""


def need_strace() -> None:
    """Fails, with the remedy, where there is none: nothing else sees a descriptor closed twice."""
    need_bubblewrap()
    if shutil.which("strace") is None:
        pytest.fail("strace is missing: `apt-get install strace`")


def test_no_descriptor_is_closed_twice_while_jails_come_and_go(tmp_path: Path) -> None:
    need_strace()
    trace = tmp_path / "trace"
    words = ["strace", "-f", "-e", "trace=close", "-e", "status=failed", "-o", str(trace)]
    ran = subprocess.run(
        [*words, sys.executable, "-c", CHURN, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.stdout == "churned\n", ran.stderr
    assert [line for line in trace.read_text().splitlines() if "EBADF" in line] == []


def test_only_one_place_hands_files_to_the_event_loop() -> None:
    """The one that knows what uvloop does with them."""
    handing = [
        file.relative_to(ROOT)
        for file in (ROOT / "codara").rglob("*.py")
        if any(name in file.read_text() for name in ("connect_read_pipe", "connect_write_pipe"))
    ]
    assert handing == [Path("codara/adapters/jail/pipes.py")]


def descriptors() -> list[str]:
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


async def at_first() -> list[str]:
    """What is open before a test; a loop keeps one descriptor since its first pipe."""
    with a_child() as child:
        (await pipes.connect(child)).close()
        await asyncio.sleep(0.05)
    return descriptors()


async def all_given_back(before: list[str]) -> None:
    """The loop closes what it was given in one of its next rounds."""
    async with asyncio.timeout(10):
        while descriptors() != before:
            await asyncio.sleep(0.01)


@contextmanager
def a_child() -> Iterator["subprocess.Popen[bytes]"]:
    """A program that does nothing, with three pipes; ended behind it all."""
    child = subprocess.Popen(
        ["/bin/sleep", "60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def test_pipes_that_are_closed_are_given_back() -> None:
    before = await at_first()
    with a_child() as child:
        connected = await pipes.connect(child)
        assert len(descriptors()) == len(before) + 3
        connected.close()
        await all_given_back(before)


@pytest.mark.parametrize("failing", ["connect_read_pipe", "connect_write_pipe"])
async def test_pipes_that_the_loop_does_not_take_are_given_back(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    before = await at_first()

    class Refusing:
        def __getattr__(self, name: str) -> object:
            if name == failing:
                raise RuntimeError("no room")
            return getattr(loop, name)

    with a_child() as child:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "get_running_loop", Refusing)
            with pytest.raises(RuntimeError, match="no room"):
                await pipes.connect(child)
        await all_given_back(before)
