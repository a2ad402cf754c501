"""The three standard streams of a child that another thread has started."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable
from typing import IO, cast

import attrs

STDERR_KEPT = 64 * 1024
STDOUT_BUFFER = 1024 * 1024


class ErrorTail(asyncio.Protocol):
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
    stderr: ErrorTail
    transports: tuple[asyncio.BaseTransport, ...]

    def close(self) -> None:
        """Closes all three ends; harmless when done twice."""
        for transport in self.transports:
            transport.close()


async def connect(child: "subprocess.Popen[bytes]") -> Pipes:
    """Puts the child's pipes on the event loop; none is left open when that fails."""
    stdin, stdout, stderr = _handed_over(child)
    loop = asyncio.get_running_loop()
    reader, tail = asyncio.StreamReader(limit=STDOUT_BUFFER), ErrorTail()
    sink = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    made: list[asyncio.BaseTransport] = []
    try:
        made.append((await loop.connect_read_pipe(lambda: tail, stderr.given()))[0])
        reading = asyncio.StreamReaderProtocol(reader)
        made.append((await loop.connect_read_pipe(lambda: reading, stdout.given()))[0])
        into, _ = await loop.connect_write_pipe(lambda: sink, stdin.given())
        made.append(into)
    except BaseException:
        for transport in made:
            transport.close()
        raise
    finally:
        for end in (stdin, stdout, stderr):
            end.close()
    return Pipes(asyncio.StreamWriter(into, sink, None, loop), reader, tail, tuple(made))


@attrs.define
class _End:
    """Our end of one pipe: closed here until it is given to the event loop, then by that alone.

    uvloop closes a pipe's descriptor in libuv and then the file object it was given, which closes
    the same number once more (MagicStack/uvloop issue 763): by then it may be another thread's
    file. The object it gets here closes nothing.
    """

    fd: int
    mode: str
    ours: bool = True

    def given(self) -> IO[bytes]:
        """The pipe for the event loop, which closes it from now on, also where taking it fails."""
        self.ours = False
        return cast(IO[bytes], open(self.fd, self.mode, buffering=0, closefd=False))

    def close(self) -> None:
        """Gives the descriptor back unless it is the loop's."""
        if self.ours:
            self.ours = False
            os.close(self.fd)


def _handed_over(child: "subprocess.Popen[bytes]") -> tuple[_End, _End, _End]:
    """The child's pipes under descriptors that its file objects know nothing of."""
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise ValueError("the child was started without pipes")
    with contextlib.ExitStack() as made:
        ends = []
        for file, mode in ((child.stdin, "wb"), (child.stdout, "rb"), (child.stderr, "rb")):
            end = _End(os.dup(file.fileno()), mode)
            made.callback(end.close)
            ends.append(end)
        made.pop_all()
    for file in (child.stdin, child.stdout, child.stderr):
        file.close()
    return ends[0], ends[1], ends[2]
