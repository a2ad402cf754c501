"""Processes by what cannot be reused: a pid together with its start time and the boot."""

import contextlib
import os
import signal
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
BECOMING_SECONDS = 5.0
KERNEL_THREADS = 2
"""The process below which the kernel's threads are."""


def boot_id() -> str:
    """Returns the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process began; None once it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def all_pids() -> list[int]:
    """Returns every process there is, zombies included."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_line(pid: int) -> bytes | None:
    """The words a process was started with, each with a NUL behind it; None once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def is_becoming(pid: int) -> bool:
    """Whether a process is on its way from one program to another: it has no command line then.

    False for a process that is gone or a zombie, for one that has existed for more than 5 s, and
    for the kernel's own threads, which never have any.
    """
    if command_line(pid) != b"":
        return False
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    began = start_time(pid)
    young = began is not None and uptime - began / TICKS < BECOMING_SECONDS
    return young and parent(pid) != KERNEL_THREADS


def parents() -> dict[int, int]:
    """Returns the parent of every process there is, zombies included."""
    tree = ((pid, parent(pid)) for pid in all_pids())
    return {pid: above for pid, above in tree if above is not None}


def parent(pid: int) -> int | None:
    """Returns the parent of a process; None once it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """Returns the children of a process, their children, and so on."""
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
