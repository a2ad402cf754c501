"""Processes by what cannot be reused: a pid together with its start time and the boot."""

import contextlib
import os
import signal
import time
from pathlib import Path


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process began; None once it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def parents() -> dict[int, int]:
    """The parent of every process there is, zombies included."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    tree = ((pid, parent(pid)) for pid in pids)
    return {pid: above for pid, above in tree if above is not None}


def parent(pid: int) -> int | None:
    """The parent of a process; None once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    tree = parents()
    found: list[int] = []
    level = {pid}
    while level := {child for child, parent in tree.items() if parent in level}:
        found.extend(level)
    return found


def send_kill(pidfd: int) -> None:
    """SIGKILL; a process that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def kill_and_wait(pid: int, began: int, seconds: float) -> bool:
    """Kills that very process; true once it is gone, false when it was gone before.

    TimeoutError when it does not end within `seconds`. Blocks.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if start_time(pid) != began:
            return False
        send_kill(pidfd)
        _await_end(pid, began, seconds)
    finally:
        os.close(pidfd)
    return True


def _await_end(pid: int, began: int, seconds: float) -> None:
    give_up = time.monotonic() + seconds
    while start_time(pid) == began:
        if time.monotonic() > give_up:
            raise TimeoutError(f"process {pid} does not end although it was killed")
        time.sleep(0.002)
