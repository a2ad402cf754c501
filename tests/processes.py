"""What the machine says of its processes."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def sleeping(seconds: str) -> list[str]:
    """Processes that sleep for so long, anywhere on the machine."""
    words = [b"sleep", seconds.encode()]
    return [pid for pid, line in command_lines() if line.split(b"\0")[:2] == words]


def command_lines() -> Iterator[tuple[str, bytes]]:
    """Of every process of the machine: its id and its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield folder.name, (folder / "cmdline").read_bytes()


def environments(inner_pid: int) -> Iterator[bytes]:
    """Of every process of a jail: the environment it was started with."""
    space = Path(f"/proc/{inner_pid}/ns/pid").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "ns/pid").readlink() == space:
                yield (folder / "environ").read_bytes()
