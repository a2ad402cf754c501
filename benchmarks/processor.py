"""The processor time of an agent: it varies from turn to turn by more than the gateway takes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

_SCHEDULED = 2
"""The clock of a process that counts nanoseconds (clock_getcpuclockid(3))."""


@attrs.frozen
class Computed:
    """Milliseconds on a processor, of a whole process and of its main thread alone."""

    process: float = 0.0
    main: float = 0.0

    def since(self, earlier: "Computed") -> "Computed":
        return Computed(self.process - earlier.process, self.main - earlier.main)


def computed(pid: int) -> Computed:
    """What a process has computed so far; nothing if there is none."""
    try:
        process = time.clock_gettime(~pid << 3 | _SCHEDULED) * 1e3
        main = int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[0]) / 1e6
    except OSError:
        return Computed()
    return Computed(process, main)


def so_far() -> dict[int, Computed]:
    """What every process has computed that this one has started, and those started by them."""
    return {pid: computed(pid) for pid in _descendants(os.getpid())}


def busiest(earlier: dict[int, Computed]) -> int:
    """Which of them has computed most since then."""
    now = so_far()
    return max(now, key=lambda pid: now[pid].since(earlier.get(pid, Computed())).process)


def _descendants(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            yield child
            yield from _descendants(child)
