"""What the machine says of its processes."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from codara.adapters.jail import orphans, processes


def sleeping(seconds: str) -> list[str]:
    """Processes that sleep for so long, anywhere on the machine."""
    words = [b"sleep", seconds.encode()]
    return [pid for pid, line in command_lines() if line.split(b"\0")[:2] == words]


def command_lines() -> Iterator[tuple[str, bytes]]:
    """Of every process of the machine: its id and its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield folder.name, (folder / "cmdline").read_bytes()


async def agents_below(pid: int) -> list[int]:
    """The living processes below a gateway, but for the one that watches over its end."""
    below = await asyncio.to_thread(processes.descendants, pid)
    return [each for each in below if processes.start_time(each) is not None and _works(each)]


def _works(pid: int) -> bool:
    try:
        return orphans.__name__.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def descriptors_of(pid: int) -> Counter[str]:
    """How many descriptors of each kind a process holds: files by their names."""
    held = Counter[str]()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            held[str(entry.readlink()).partition(":[")[0]] += 1
    return held


def environments(inner_pid: int) -> Iterator[bytes]:
    """Of every process of a jail: the environment it was started with."""
    space = Path(f"/proc/{inner_pid}/ns/pid").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "ns/pid").readlink() == space:
                yield (folder / "environ").read_bytes()


def memory_of(pid: int) -> int:
    """The bytes of memory that a process takes now."""
    return _status(pid, "VmRSS:")


def highest_memory_of(pid: int) -> int:
    """The most bytes that it took since `forget_highest`."""
    return _status(pid, "VmHWM:")


def forget_highest(pid: int) -> None:
    """Begins again to remember the most memory that a process takes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
