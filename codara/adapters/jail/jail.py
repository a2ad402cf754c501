"""A running jail: its processes, its streams, and its end."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs

from codara.adapters.jail.pipes import Pipes
from codara.adapters.jail.wayout import WayOut
from codara.adapters.jail.weights import Home
from codara.application.ports.jails import JailJournal

KILL_SECONDS = 10.0
LAST_WORDS_SECONDS = 1.0

log = logging.getLogger(__name__)


class Process(Protocol):
    """What a jail needs of the processes in it."""

    @property
    def inner_pid(self) -> int: ...

    def kill(self) -> None:
        """SIGKILL for everything in the jail; harmless when done twice."""

    async def gone(self) -> int | None:
        """Waits for the last process and returns the exit code; called once."""


@attrs.frozen(kw_only=True)
class Parts:
    """What a jail is put together from.

    `way_out` is closed at its end. `ways_in` makes unconnected sockets of the jail's network;
    `clear` removes its cgroups and mounts.
    """

    jail_id: str
    jailed: bool
    limits: tuple[str, ...]
    process: Process
    pipes: Pipes
    way_out: WayOut
    journal: JailJournal
    ways_in: Callable[[int], Awaitable[list[socket.socket]]]
    clear: Callable[[], Awaitable[None]]


class Jail:
    """Holds one program and everything it started, behind walls if it is `jailed`.

    `stdin` and `stdout` are the program's; what it writes to stderr is kept to its last 64 KiB.
    Its way out comes from its starter and is closed at the jail's end.
    The owner of a jail calls `close` in the end.
    """

    def __init__(self, parts: Parts) -> None:
        self.jail_id = parts.jail_id
        self.inner_pid = parts.process.inner_pid
        self.jailed = parts.jailed
        self.limits = parts.limits
        self.stdin = parts.pipes.stdin
        self.stdout = parts.pipes.stdout
        self._parts = parts
        self.home: Home | None = None
        self._reason: str | None = None
        self._ending = asyncio.create_task(self._end(), name=f"end of {parts.jail_id}")

    def announced(self, home: Home) -> None:
        """The log knows of this jail of that home, so it will hear of its end."""
        self.home = home

    @property
    def alive(self) -> bool:
        """False once the last process is gone and everything is cleared away."""
        return not self._ending.done()

    def stderr(self) -> bytes:
        """Returns the last 64 KiB the agent wrote to stderr."""
        return self._parts.pipes.stderr.tail()

    def listen_to_stderr(self, heard: Callable[[bytes], None]) -> None:
        """From now on `heard` is called with all that comes on stderr, in pieces as it comes."""
        self._parts.pipes.stderr.heard = heard

    async def ways_in(self, count: int) -> list[socket.socket]:
        """Returns unconnected TCP sockets that connect to the jail's own loopback.

        The caller closes them: they keep the jail's network alive. JailUnavailable if refused.
        """
        return await self._parts.ways_in(count)

    async def last_words(self) -> bytes:
        """The same, once the agent has closed its stderr; waits for that, at most a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._parts.pipes.stderr.ended.wait()
        return self.stderr()

    async def wait(self) -> int | None:
        """Returns the exit code (128 + n for a signal), once everything in the jail is gone."""
        return await asyncio.shield(self._ending)

    async def kill(self, reason: str) -> None:
        """Ends everything in the jail and waits, at most 10 s, until it is gone.

        The signal is sent before the first wait: a cancelled call has killed all the same.
        """
        if self._ending.done():
            return
        self._reason = self._reason or reason
        self._parts.process.kill()
        await asyncio.wait({self._ending}, timeout=KILL_SECONDS)

    async def close(self, grace: float = 2.0) -> None:
        """Lets the agent end by itself at the end of its input, and kills it after `grace` seconds.

        What it wrote and nobody has read is dropped.
        """
        self.stdin.close()
        try:
            await asyncio.wait({self._ending}, timeout=grace)
            await self.kill("closed")
        finally:
            if self.alive:
                self._parts.process.kill()
            self._parts.pipes.close()

    async def _end(self) -> int | None:
        code = await self._parts.process.gone()
        self.stdin.close()
        await self._parts.way_out.close()
        await self._parts.clear()
        try:
            await self._tell(code)
        except Exception:
            log.exception("the end of jail %s could not be written to the log", self.jail_id)
        return code

    async def _tell(self, code: int | None) -> None:
        if self.home is None:
            return
        journal = self._parts.journal
        if self._reason is not None:
            await journal.killed(self.jail_id, reason=self._reason)
        egress = self._parts.way_out.egress()
        await journal.exited(self.jail_id, exit_code=code, egress=egress)
