"""Run as a script of its own: holds an unjailed agent and ends everything it started.

Needs nothing but the standard library. Arguments: open files, file size, then the agent's.
Orphans of the agent become children of this process, so that none of them is lost.
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GO = b"go\n"


class ToldToEnd(Exception):
    """The gateway wants an end, or is gone."""


def main() -> int:
    """Waits for the gateway's word, runs the agent, and returns its exit code."""
    gateway = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _stop)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != gateway:
        return 1
    open_files, file_size = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.write(1, b"ready\n")
    return _hold(libc, sys.argv[3:]) if _line() == GO else 1


def _stop(*_: object) -> None:
    raise ToldToEnd


def _line() -> bytes:
    """One line, byte by byte: what follows is the agent's."""
    line = b""
    with contextlib.suppress(ToldToEnd):
        while not line.endswith(b"\n") and (byte := os.read(0, 1)):
            line += byte
    return line


def _hold(libc: ctypes.CDLL, argv: list[str]) -> int:
    code = 128 + signal.SIGKILL
    try:
        agent = subprocess.Popen(
            argv,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one thread
        )
        _let_go_of_the_streams()
        code = _reap_until(agent.pid)
    except OSError as failure:
        os.write(2, f"{argv[0]}: {failure.strerror}\n".encode())
        code = 127
    except ToldToEnd:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all()
    return code


def _let_go_of_the_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def _reap_until(pid: int) -> int:
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code


def _end_all() -> None:
    """Kills children until none is left; grandchildren become children as their parents end."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in own.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    sys.exit(main())
