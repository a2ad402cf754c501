"""Jails made with bubblewrap: started behind a gate that opens once the log knows of them."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from codara.adapters.jail import bwrap, limits, marks, network, remedies, staging
from codara.adapters.jail.jail import Jail, Parts
from codara.adapters.jail.pipes import connect
from codara.adapters.jail.spawner import SYSTEM_PATH, Spawned, Spawner, read_inner_pid
from codara.adapters.jail.spec import HOME_INSIDE, JailSpec
from codara.adapters.jail.starting import JailStarts, ready
from codara.adapters.jail.walled import WalledProcess
from codara.adapters.jail.wayout import WayOut
from codara.adapters.jail.weights import Home
from codara.application.ports.jails import JailJournal

LAST_WORDS_SECONDS = 5.0
BASE_ENVIRONMENT = {
    "PATH": SYSTEM_PATH,
    "HOME": str(HOME_INSIDE),
    "USER": bwrap.USER,
    "LOGNAME": bwrap.USER,
    "SHELL": bwrap.SHELL,
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "TMPDIR": "/tmp",  # noqa: S108 - the jail's own
    "NO_COLOR": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


class Bubblewrap:
    """Satisfies `Jails` with real walls.

    `uid` is the user a root gateway drops to; any other gateway runs its jails as itself.
    """

    jailed = True

    def __init__(self, journal: JailJournal, *, uid: int = 10001) -> None:
        self._journal = journal
        self._spawner = Spawner(uid)
        self._groups = limits.Groups(level="none")
        self._starting = JailStarts("bwrap", journal)

    async def start_up(self) -> None:
        """Makes the spawning thread ready and finds out about control groups; JailUnavailable."""
        await self._spawner.start()
        self._groups = await asyncio.to_thread(limits.probe)

    def inner_home(self, home: Path) -> Path:
        """`/home/codara`, whatever it is called on the host."""
        return HOME_INSIDE

    async def adopt(self, path: Path) -> None:
        """Gives the tree to the jail's user; nothing to do unless the gateway is root."""
        if self._spawner.drops:
            await asyncio.to_thread(staging.adopt, path, self._spawner.uid)

    async def start(self, spec: JailSpec, way_out: WayOut) -> Jail:
        """See `Jails.start`: process id, limits, walls, listeners, journal, and only then go."""
        return await self._starting.run(self._make, spec, way_out)

    async def memory(self) -> Mapping[Home, int]:
        """See `Jails.memory`."""
        return await self._starting.memory()

    async def close(self) -> None:
        """Kills what is left, waits for it, and ends the spawning thread."""
        await self._starting.close()
        await asyncio.to_thread(self._spawner.close)

    async def _make(self, spec: JailSpec, way_out: WayOut) -> Jail:
        """A jail behind its inner gate, with its limits and its way out in place."""
        env = BASE_ENVIRONMENT | dict(way_out.environment()) | dict(spec.env)
        spawned = await self._spawner.run(self._spawner.spawn, spec, env)
        try:
            jail = await self._take(spec, way_out, spawned)
            try:
                os.write(spawned.release, b"x")
                await ready(jail)
                await _connect(jail, way_out)
            except BrokenPipeError as gone:
                await jail.close(grace=0)
                raise remedies.explain(b"it ended before it could start") from gone
            except BaseException:
                await jail.kill("start failed")
                await jail.close(grace=0)
                raise
        finally:
            spawned.close()
        return jail

    async def _take(self, spec: JailSpec, way_out: WayOut, spawned: Spawned) -> Jail:
        """Takes hold of what waits at the gate; from here on a kill ends everything in it."""
        process = None
        try:
            process = await self._hold(spawned)
            confined = await asyncio.to_thread(
                self._groups.confine, spec.jail_id, process.inner_pid, spec.limits
            )
            pipes = await connect(spawned.child)
        except BaseException:
            await self._drop(spec.jail_id, spawned, process)
            raise
        return Jail(
            Parts(
                jail_id=spec.jail_id,
                jailed=True,
                limits=limits.by_rlimits(spec.limits) + confined,
                process=process,
                pipes=pipes,
                way_out=way_out,
                journal=self._journal,
                ways_in=partial(_ways_in, process.inner_pid),
                clear=partial(self._clear, spec.jail_id),
            )
        )

    async def _hold(self, spawned: Spawned) -> WalledProcess:
        inner_pid = await asyncio.to_thread(read_inner_pid, spawned.info)
        if inner_pid is None:
            raise remedies.explain(await asyncio.to_thread(_last_words, spawned.child))
        try:
            return WalledProcess(spawned.child, inner_pid)
        except OSError as gone:
            words = await asyncio.to_thread(_last_words, spawned.child)
            raise remedies.explain(words) from gone

    async def _drop(self, jail_id: str, spawned: Spawned, process: WalledProcess | None) -> None:
        """Undoes a start of which no Jail came: the inner gate never opens without us."""
        if process is not None:
            process.kill()
            await process.gone()
        else:
            spawned.child.kill()
            await asyncio.to_thread(spawned.child.wait)
            await asyncio.to_thread(marks.end_marked, marks.mark(jail_id), LAST_WORDS_SECONDS)
        for pipe in (spawned.child.stdin, spawned.child.stdout, spawned.child.stderr):
            if pipe is not None:
                pipe.close()
        await self._clear(jail_id)

    async def _clear(self, jail_id: str) -> None:
        await asyncio.to_thread(self._groups.remove, jail_id)
        await self._spawner.run(self._spawner.unstage, jail_id)


async def _connect(jail: Jail, way_out: WayOut) -> None:
    """Nothing can be bound before bubblewrap has brought the loopback up."""
    listeners = await asyncio.to_thread(network.open_listeners, jail.inner_pid, way_out.ports)
    await way_out.serve(listeners)


async def _ways_in(pid: int, count: int) -> list[socket.socket]:
    return await asyncio.to_thread(network.open_ways_in, pid, count)


def _last_words(child: "subprocess.Popen[bytes]") -> bytes:
    """What bubblewrap wrote to stderr; it is killed if it does not end by itself."""
    try:
        return child.communicate(timeout=LAST_WORDS_SECONDS)[1]
    except subprocess.TimeoutExpired:
        child.kill()
        return child.communicate()[1]
