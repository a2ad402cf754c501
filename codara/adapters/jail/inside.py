"""Run as a script of its own: enters a process's network namespace and hands its sockets back.

For gateways that are not root; needs nothing but the standard library.
"""

import array
import ctypes
import fcntl
import os
import socket
import sys

NS_GET_USERNS = 0xB701
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def main() -> None:
    """Arguments: pid, number of the socket to answer on, ports; port 0: a socket for a way in."""
    pid, answer, ports = int(sys.argv[1]), int(sys.argv[2]), map(int, sys.argv[3:])
    _enter(pid)
    made = [_listen(port) if port else _unconnected() for port in ports]
    rights = array.array("i", [each.fileno() for each in made])
    with socket.socket(fileno=answer) as door:
        door.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _enter(pid: int) -> None:
    """The user namespace that owns the network comes first: it alone grants the right to enter."""
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    owner = fcntl.ioctl(network, NS_GET_USERNS)
    for namespace, kind in ((owner, CLONE_NEWUSER), (network, CLONE_NEWNET)):
        if libc.setns(namespace, kind) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _unconnected() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


if __name__ == "__main__":
    main()
