"""What a turn started and did not end: processes that could go on writing to the workspace."""

from collections.abc import Sequence
from pathlib import Path

from codara.adapters.jail import processes

Kin = frozenset[tuple[int, int]]
"""Processes by what cannot be reused: a pid and when it began."""

NOBODY: Kin = frozenset()


def living(inner_pid: int) -> Kin:
    """Returns the processes below a jail's first one. Blocks for some milliseconds."""
    began = ((pid, processes.start_time(pid)) for pid in processes.descendants(inner_pid))
    return frozenset((pid, at) for pid, at in began if at is not None)


def strangers(inner_pid: int, own: Kin, helpers: Sequence[Path] = ()) -> list[int]:
    """Those that are neither `own` nor one of the `helpers`: programs that an own process runs.

    Names tell nothing, a tool may take any; a pid and the file behind it are the kernel's word.
    Blocks as long.
    """
    found = living(inner_pid) - own
    return [pid for pid, _ in found if not _helps(pid, own, helpers)]


def _helps(pid: int, own: Kin, helpers: Sequence[Path]) -> bool:
    if not any(_runs(pid, helper) for helper in helpers):
        return False
    return processes.parent(pid) in {each for each, _ in own}


def _runs(pid: int, program: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").samefile(program)
    except OSError:
        return False
