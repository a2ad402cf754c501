"""What a turn started and did not end: processes that could go on writing to the workspace."""

from pathlib import Path

from codara.adapters.jail import processes


def left_running(inner_pid: int, own: tuple[str, ...]) -> list[str]:
    """Names of the processes below the jail's first one, except those that begin with `own`.

    Blocks for some milliseconds.
    """
    alive = (pid for pid in processes.descendants(inner_pid) if processes.start_time(pid))
    names = (_name(pid) for pid in alive if pid != inner_pid)
    return [name for name in names if name and not name.startswith(own)]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def strangers(inner_pid: int, own: frozenset[int]) -> list[int]:
    """The living processes below the jail's first one, except `own`. Blocks as long."""
    found = processes.descendants(inner_pid)
    return [pid for pid in found if pid not in own and processes.start_time(pid)]
