"""The jail's proxy: tunnels to the hosts of an allow-list, and to nothing else."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

Report = Callable[[str, int], None]

HEAD_SECONDS = 10.0
CONNECT_SECONDS = 15.0
MOST_TUNNELS = 64
LAST_PORT = 65535
WEB_PORTS = (80, 443)


class TunnelRefused(Exception):
    """The connection is not on the list, or leads to an address that is not public."""


class Proxy:
    """Serves CONNECT and plain http in absolute form; counts and refusals are told at once."""

    def __init__(self, allow_hosts: Iterable[str], *, let_out: Report, refuse: Report) -> None:
        self._allowed = tuple(allow_hosts)
        self._let_out = let_out
        self._refuse = refuse
        self._tasks: set[asyncio.Task[object]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from the jail, to its end."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("connections are served in tasks")
        self._tasks.add(task)
        try:
            if len(self._tasks) <= MOST_TUNNELS:
                await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side is gone, or sent no HTTP: closing is the answer
        except asyncio.CancelledError:
            pass  # only close() cancels, and asyncio would log it as an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """Cuts all tunnels."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            host, port, onward = _understand(head)
        except ValueError:
            writer.write(_status("400 Bad Request"))
            return
        try:
            far_reader, far_writer = await self._connect(host, port)
        except TunnelRefused:
            self._refuse(host, port)
            writer.write(_status("403 Forbidden"))
            return
        except (OSError, TimeoutError):
            writer.write(_status("502 Bad Gateway"))
            return
        self._let_out(host, port)
        try:
            if onward:
                far_writer.write(onward)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join(reader, writer, far_reader, far_writer)
        finally:
            far_writer.close()

    async def _connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not allows(self._allowed, host, port):
            raise TunnelRefused
        async with asyncio.timeout(CONNECT_SECONDS):
            try:
                address = await public_address(host, port)
            except ValueError as no_name:
                raise TunnelRefused from no_name
            return await asyncio.open_connection(address, port)


def allows(allowed: Iterable[str], host: str, port: int) -> bool:
    """True if an entry (`host`, `host:port`, `*.domain`) names it; without a port, 80 and 443."""
    wanted = host.lower().rstrip(".")
    for entry in allowed:
        name, _, named_port = entry.lower().partition(":")
        ports = (int(named_port),) if named_port else WEB_PORTS
        if port in ports and (wanted == name or _below(wanted, name)):
            return True
    return False


def _below(host: str, pattern: str) -> bool:
    return pattern.startswith("*.") and host.endswith(pattern[1:])


async def public_address(host: str, port: int) -> str:
    """Returns an address of the host; Refused when any of them is private, loopback or link-local.

    The connection is made to the very address that was looked at, so a name that answers
    differently the next time gains nothing.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise TunnelRefused
    return addresses[0]


def is_public(address: str) -> bool:
    """True for addresses of the open internet, also behind IPv6 forms of IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def _understand(head: bytes) -> tuple[str, int, bytes]:
    """Host, port, and what has to be sent on (nothing for CONNECT); ValueError otherwise."""
    line, _, rest = head.decode("latin-1").partition("\r\n")
    method, target, version = line.split(" ")
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host.strip("[]"), _port(port), b""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not a proxy request")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    onward = f"{method} {path} {version}\r\nConnection: close\r\n{_without_hops(rest)}"
    return parts.hostname, parts.port or 80, onward.encode("latin-1")


def _port(digits: str) -> int:
    port = int(digits)
    if not 0 < port <= LAST_PORT:
        raise ValueError("no such port")
    return port


def _without_hops(headers: str) -> str:
    dropped = ("connection:", "proxy-", "keep-alive:")
    kept = [line for line in headers.split("\r\n") if not line.lower().startswith(dropped)]
    return "\r\n".join(kept)


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Copies both ways until the far side has ended; the near side may end its sending first."""
    outward = asyncio.create_task(_copy(reader, far_writer))
    try:
        await _copy(far_reader, writer)
    finally:
        outward.cancel()
        await asyncio.wait({outward})


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(64 * 1024):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _status(text: str) -> bytes:
    return f"HTTP/1.1 {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
