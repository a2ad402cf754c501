"""What both kinds of jail share: starting without leaks, and the words to the log."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from codara.adapters.jail import bwrap, priority, processes, remedies
from codara.adapters.jail.jail import Jail
from codara.adapters.jail.spec import JailSpec
from codara.adapters.jail.wayout import WayOut
from codara.adapters.jail.weights import Home, weigh
from codara.application.ports.jails import JailJournal
from codara.errors import CodaraError, JailUnavailable, ShuttingDown

READY_SECONDS = 15.0

T = TypeVar("T")
Make = Callable[[JailSpec, WayOut], Coroutine[Any, Any, Jail]]
"""Makes a jail whose program waits at its gate; its way out answers already."""


class JailStarts:
    """Every jail of a mode that is on its way up, and every one that is there."""

    def __init__(self, mode: str, journal: JailJournal) -> None:
        self._mode = mode
        self._journal = journal
        self._tasks: set[asyncio.Task[Any]] = set()
        self._jails: set[Jail] = set()
        self._closing = False

    async def run(self, make: Make, spec: JailSpec, way_out: WayOut) -> Jail:
        """Makes a jail that waits at its gate, and begins it once the log knows of it.

        When the caller is cancelled, or the log fails, what was made is ended first. The way out
        is closed wherever no jail comes of it.
        """
        try:
            jail = await self._made(make, spec, way_out)
            self._jails = {known for known in self._jails if known.alive} | {jail}
            try:
                await self._begin(jail, spec, way_out)
            except BaseException:
                await asyncio.shield(self._own(_undo(jail)))
                raise
        except BaseException:
            await asyncio.shield(self._own(way_out.close()))
            raise
        return jail

    async def memory(self) -> Mapping[Home, int]:
        """Bytes that the jails take, by home."""
        pids = {jail.home: jail.inner_pid for jail in self._jails if jail.home and jail.alive}
        return await asyncio.to_thread(weigh, pids)

    async def close(self) -> None:
        """Waits for those on their way and kills all."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(jail.close(grace=0) for jail in self._jails))

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _made(self, make: Make, spec: JailSpec, way_out: WayOut) -> Jail:
        """Makes the whole jail, also if nobody waits any more: half a jail cannot be dropped."""
        if self._closing:
            raise ShuttingDown("the gateway is stopping; no agent is started any more")
        making = self._own(make(spec, way_out))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.shield(self._own(_undo_when_made(making)))
            raise

    async def _begin(self, jail: Jail, spec: JailSpec, way_out: WayOut) -> None:
        """Tells the log of a jail that stands and, once that is written, lets its program begin."""
        began = processes.start_time(jail.inner_pid)
        if began is None:
            raise JailUnavailable("the jail ended before its agent could start")
        jail.announced((spec.workspace_id, spec.runtime))
        await self._journal.started(
            jail_id=jail.jail_id,
            workspace_id=spec.workspace_id,
            runtime=spec.runtime,
            inner_pid=jail.inner_pid,
            start_time=began,
            boot_id=processes.boot_id(),
            policy=spec.policy_digest(mode=self._mode, way_out=way_out),
            limits=jail.limits,
            jailed=jail.jailed,
        )
        jail.stdin.write(bwrap.GO)


async def _undo_when_made(making: asyncio.Task[Jail]) -> None:
    with contextlib.suppress(CodaraError):
        await _undo(await making)


async def _undo(jail: Jail) -> None:
    await jail.kill("start failed")
    await jail.close(grace=0)


async def ready(jail: Jail) -> None:
    """Waits until the gate inside says that all walls stand; JailUnavailable if it never does.

    What then waits at the gate gives way to the gateway from its first instruction on.
    """
    try:
        async with asyncio.timeout(READY_SECONDS):
            said = await jail.stdout.readline()
    except TimeoutError:
        raise remedies.explain(b"it did not become ready in time") from None
    if said != bwrap.READY:
        raise remedies.explain(await jail.last_words())
    priority.give_way(jail.inner_pid)
