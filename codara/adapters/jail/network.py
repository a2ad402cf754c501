"""Listeners inside a jail's network namespace, held by the gateway.

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
from codara.adapters.jail.doors import listen
from codara.errors import JailUnavailable

HELPER_SECONDS = 10.0
Listeners = dict[int, socket.socket]


def open_listeners(pid: int, ports: Sequence[int]) -> Listeners:
    """Listening sockets on the loopback of a jail, by port. Blocks; JailUnavailable if refused."""
    try:
        return _by_thread(pid, ports) if os.geteuid() == 0 else _by_process(pid, ports)
    except (OSError, subprocess.SubprocessError) as refused:
        raise JailUnavailable(
            f"network namespace: the jail's listeners could not be made ({refused})."
            " Run `codara doctor`; in a container, namespaces must be allowed."
        ) from refused


def _by_thread(pid: int, ports: Sequence[int]) -> Listeners:
    """Root may move one thread into the namespace; that thread never comes back out."""
    answer: queue.SimpleQueue[Listeners | OSError] = queue.SimpleQueue()

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


def _all_or_none(ports: Sequence[int]) -> Listeners:
    made: Listeners = {}
    try:
        for port in ports:
            made[port] = listen(port)
    except OSError:
        for listener in made.values():
            listener.close()
        raise
    return made


def _by_process(pid: int, ports: Sequence[int]) -> Listeners:
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
    listeners = [socket.socket(fileno=fd) for fd in fds]
    for listener in listeners:
        listener.setblocking(False)
    return dict(zip(ports, listeners, strict=True))
