"""The three standard streams of a child that another thread has started."""

import asyncio
import subprocess
from collections.abc import Callable
from typing import IO

import attrs

STDERR_KEPT = 64 * 1024
STDOUT_BUFFER = 1024 * 1024


class Tail(asyncio.Protocol):
    """Keeps the end of what a pipe delivers."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self.ended = asyncio.Event()
        self.heard: Callable[[bytes], None] | None = None

    def connection_lost(self, _: Exception | None) -> None:
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-STDERR_KEPT]
        if self.heard is not None:
            self.heard(data)

    def tail(self) -> bytes:
        """At most the last 64 KiB."""
        return bytes(self._kept)


@attrs.frozen
class Pipes:
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: Tail
    transports: tuple[asyncio.BaseTransport, ...]

    def close(self) -> None:
        """Closes all three ends; harmless when done twice."""
        for transport in self.transports:
            transport.close()


async def connect(child: "subprocess.Popen[bytes]") -> Pipes:
    """Puts the child's pipes on the event loop; none is left open when that fails."""
    stdin, stdout, stderr = _files(child)
    loop = asyncio.get_running_loop()
    reader, tail = asyncio.StreamReader(limit=STDOUT_BUFFER), Tail()
    sink = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    made: list[asyncio.BaseTransport] = []
    try:
        made.append((await loop.connect_read_pipe(lambda: tail, stderr))[0])
        reading = asyncio.StreamReaderProtocol(reader)
        made.append((await loop.connect_read_pipe(lambda: reading, stdout))[0])
        into, _ = await loop.connect_write_pipe(lambda: sink, stdin)
        made.append(into)
    except BaseException:
        for transport in made:
            transport.close()
        for file in (stdin, stdout, stderr):
            file.close()
        raise
    return Pipes(asyncio.StreamWriter(into, sink, None, loop), reader, tail, tuple(made))


def _files(child: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise ValueError("the child was started without pipes")
    return child.stdin, child.stdout, child.stderr
