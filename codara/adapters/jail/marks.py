"""The name by which what belongs to a jail can be told from that of other gateways."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator

from codara.adapters.jail import processes

PREFIX = "codara-"
LOOKS_IN_VAIN = 3
"""bubblewrap, what it forks, and what that forks."""
_MARK = re.compile(r"codara-(\d+)-(\d+)-(.+)")


def mark(jail_id: str) -> str:
    """Names a jail together with this very process: by pid and start time."""
    pid = os.getpid()
    return f"{PREFIX}{pid}-{processes.start_time(pid)}-{jail_id}"


def gateway_is_gone(name: str) -> bool:
    """True for a mark whose gateway has ended; false for anything that is no mark."""
    found = _MARK.fullmatch(name)
    return found is not None and processes.start_time(int(found[1])) != int(found[2])


def end_marked(name: str, seconds: float) -> None:
    """Kills what bears the mark on its command line, until nothing does.

    bubblewrap killed early in its start leaves a stub that waits for it for ever. Blocks for little
    longer than `seconds` at most.
    """
    _end_all(lambda found: found == name, seconds)


def end_orphans(seconds: float) -> bool:
    """Returns the same for all marks whose gateways are gone; true if there was one."""
    return _end_all(gateway_is_gone, seconds)


def _end_all(meant: Callable[[str], bool], seconds: float) -> bool:
    """A process that forks and dies during a look is not seen by it, but its child by the next.

    Nor is one seen that is just becoming another program: until it is, no look is in vain.
    """
    found_any, in_vain, give_up = False, 0, time.monotonic() + seconds
    while in_vain < LOOKS_IN_VAIN and time.monotonic() < give_up:
        becoming = any(processes.is_becoming(pid) for pid in processes.all_pids())
        pids = [pid for pid, found in _marked() if meant(found)]
        in_vain = 0 if pids or becoming else in_vain + 1
        found_any = found_any or bool(pids)
        _end(pids, seconds)
    return found_any


def _marked() -> Iterator[tuple[int, str]]:
    for pid in processes.all_pids():
        words = (processes.command_line(pid) or b"").decode(errors="replace").split("\0")
        yield from ((pid, word) for word in words if _MARK.fullmatch(word))


def _end(pids: list[int], seconds: float) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    give_up = time.monotonic() + seconds
    while any(processes.start_time(pid) is not None for pid in pids):
        if time.monotonic() > give_up:
            return
        time.sleep(0.002)
