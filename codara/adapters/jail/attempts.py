"""Run inside a jail by the probe: tries to get out and prints what was possible, as JSON.

Needs nothing but the standard library. Arguments: the gateway's pid, a port and an abstract socket
name it listens on, a file outside the jail, the port of the way out.
"""

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWUSER = 0x10000000
AF_VSOCK = 40


def main() -> None:
    """Prints one object: each attempt's name with null (it failed) or what it got."""
    gateway, port, name, secret, way_out = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    attempts: dict[str, Callable[[], object]] = {
        "host_accounts": lambda: Path("/etc/shadow").read_bytes()[:1],
        "host_files": lambda: Path(secret).read_bytes()[:1],
        "host_processes": lambda: os.kill(int(gateway), 0),
        "write_system": lambda: Path("/usr/codara-was-here").touch(),
        "write_root": lambda: Path("/codara-was-here").touch(),
        "mount": lambda: _call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)),
        "new_user_namespace": lambda: _call(libc.unshare(CLONE_NEWUSER)),
        "trace": lambda: _call(libc.ptrace(0, 0, 0, 0)),
        "hypervisor_socket": lambda: socket.socket(AF_VSOCK, socket.SOCK_STREAM),
        "host_loopback": lambda: _connect(("127.0.0.1", int(port))),
        "host_abstract_socket": lambda: _connect("\0" + name),
    }
    got = {label: _try(attempt) for label, attempt in attempts.items()}
    got["way_out"] = _try(lambda: _connect(("127.0.0.1", int(way_out))))
    got["workspace"] = _try(lambda: Path("written").write_text("yes", encoding="ascii"))
    print(json.dumps(got))  # noqa: T201 - its standard output is its answer


def _try(attempt: Callable[[], object]) -> str | None:
    try:
        return f"possible: {attempt()!r}"
    except OSError:
        return None


def _call(result: int) -> None:
    if result == -1:
        number = ctypes.get_errno() or errno.EPERM
        raise OSError(number, os.strerror(number))


def _connect(address: str | tuple[str, int]) -> str:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trying:
        trying.settimeout(2)
        trying.connect(address)
    return "connected"


if __name__ == "__main__":
    main()
