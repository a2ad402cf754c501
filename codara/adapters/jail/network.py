"""Sockets inside a jail's network namespace, held by the gateway: listeners, and ways in.

A socket belongs to the namespace it was made in, so nothing of ours has to live in the jail.
"""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from codara.adapters.jail import inside, staging
from codara.errors import JailUnavailable

LOOPBACK = "127.0.0.1"
BACKLOG = 128
HELPER_SECONDS = 10.0

_UNCONNECTED = 0
"""Instead of a port: a socket that will connect to whatever listens in the jail."""


def open_listeners(pid: int, ports: Sequence[int]) -> dict[int, socket.socket]:
    """Listening sockets on the loopback of a jail, by port. Blocks; JailUnavailable if refused."""
    return dict(zip(ports, _sockets(pid, ports), strict=True))


def open_ways_in(pid: int, count: int) -> list[socket.socket]:
    """Unconnected sockets that connect inside a jail. Blocks; JailUnavailable if refused."""
    return _sockets(pid, [_UNCONNECTED] * count)


def listen(port: int) -> socket.socket:
    """A listening, non-blocking TCP socket on the loopback of the thread's network namespace."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def unconnected() -> socket.socket:
    """Returns a non-blocking TCP socket of the thread's network namespace."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _sockets(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    if not ports:
        return []
    try:
        return _by_thread(pid, ports) if os.geteuid() == 0 else _by_process(pid, ports)
    except (OSError, subprocess.SubprocessError) as refused:
        raise JailUnavailable(
            f"network namespace: the jail's sockets could not be made ({refused})."
            " Run `codara doctor`; in a container, namespaces must be allowed."
        ) from refused


def _by_thread(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    """Root may move one thread into the namespace; that thread never comes back out."""
    answer: queue.SimpleQueue[list[socket.socket] | OSError] = queue.SimpleQueue()

    def visit() -> None:
        try:
            staging.enter_network(pid)
            answer.put(_all_or_none(ports))
        except OSError as refused:
            answer.put(refused)

    visitor = threading.Thread(target=visit, name="jail network")
    visitor.start()
    visitor.join()
    made = answer.get()
    if isinstance(made, OSError):
        raise made
    return made


def _all_or_none(ports: Sequence[int]) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for port in ports:
            made.append(unconnected() if port == _UNCONNECTED else listen(port))
    except OSError:
        for each in made:
            each.close()
        raise
    return made


def _by_process(pid: int, ports: Sequence[int]) -> list[socket.socket]:
    """Anyone else needs a process of one thread: only that may change its user namespace."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = [str(pid), str(theirs.fileno()), *map(str, ports)]
        ran = subprocess.run(
            [sys.executable, "-I", "-S", str(Path(inside.__file__)), *words],
            pass_fds=[theirs.fileno()],
            env={},
            capture_output=True,
            timeout=HELPER_SECONDS,
            check=False,
        )
        if ran.returncode != 0:
            raise OSError(ran.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        _, fds, _, _ = socket.recv_fds(ours, 1, len(ports))
    made = [socket.socket(fileno=fd) for fd in fds]
    for each in made:
        each.setblocking(False)
    return made
