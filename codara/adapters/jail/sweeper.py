"""Ends the jails a lost gateway left behind, and clears away their control groups."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from codara.adapters.jail import limits, marks, processes
from codara.application.ports.jails import LeftJail

KILL_SECONDS = 10.0


class Sweeper:
    """Satisfies `JailSweeper`: what is killed is found by boot, pid and start time, never by name.

    Jails the log has not heard of bear a mark that names their gateway. Mounts need no sweeping:
    they were made in a namespace that ended with its gateway and jails.
    """

    async def sweep(self, jails: Sequence[LeftJail]) -> Sequence[str]:
        """Kills and waits until gone, 10 s a jail at most; TimeoutError if one does not end."""
        return await asyncio.to_thread(_sweep, jails)


def _sweep(jails: Sequence[LeftJail]) -> list[str]:
    boot = processes.boot_id()
    killed = [jail.jail_id for jail in jails if jail.boot_id == boot and _end(jail)]
    marks.end_orphans(KILL_SECONDS)
    limits.probe().sweep()
    return killed


def _end(jail: LeftJail) -> bool:
    """An unjailed agent has no namespace that ends with it: its descendants are killed as well."""
    if processes.start_time(jail.inner_pid) != jail.start_time:
        return False
    below = {pid: processes.start_time(pid) for pid in processes.descendants(jail.inner_pid)}
    ended = processes.kill_and_wait(jail.inner_pid, jail.start_time, KILL_SECONDS)
    for pid, began in below.items():
        if began is not None and processes.start_time(pid) == began:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return ended
