"""Agents give way to the gateway: it answers also while they keep every core busy."""

import contextlib
import os
from pathlib import Path

NICE = 10
LOWEST = 19


def give_way(pid: int) -> None:
    """Sets a process and its group ten steps below the gateway; what they start inherits it.

    Where the kernel shares the processor between sessions first (autogroup, sched(7)), the
    session is lowered as well. It may refuse that, and sessions that the agent opens begin at the
    usual share: a gateway that waits longer for its turn is all that comes of it.
    """
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, LOWEST)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PGRP, os.getpgid(pid), nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
