"""The same interface without walls, for operators who have said that they want it so."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codara.adapters.jail import network, pidfds, remedies, warden
from codara.adapters.jail.bubblewrap import BASE_ENVIRONMENT
from codara.adapters.jail.jail import Jail, Parts
from codara.adapters.jail.pipes import connect
from codara.adapters.jail.spec import JailLimits, JailSpec
from codara.adapters.jail.starting import JailStarts, ready
from codara.adapters.jail.wayout import WayOut
from codara.adapters.jail.weights import Home
from codara.application.ports.jails import JailJournal
from codara.errors import JailUnavailable

GRACE_SECONDS = 3.0


class Unsafe:
    """Satisfies `Jails` with a session of its own, a clean environment and resource limits only.

    An agent can read whatever the gateway can, its vault included.
    """

    jailed = False

    def __init__(self, journal: JailJournal) -> None:
        self._journal = journal
        self._starting = JailStarts("unsafe", journal)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jails")

    async def start_up(self) -> None:
        """Nothing to make ready: there are no walls."""

    def inner_home(self, home: Path) -> Path:
        """Returns the home itself."""
        return home

    async def adopt(self, path: Path) -> None:
        """Nothing to do: agents run as the gateway's user."""

    async def start(self, spec: JailSpec, way_out: WayOut) -> Jail:
        """See `Jails.start`; a read-only workspace cannot be had without walls."""
        return await self._starting.run(self._make, spec, way_out)

    async def memory(self) -> Mapping[Home, int]:
        """See `Jails.memory`."""
        return await self._starting.memory()

    async def close(self) -> None:
        """Ends what is left."""
        await self._starting.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def _make(self, spec: JailSpec, way_out: WayOut) -> Jail:
        if spec.read_only_workspace:
            raise JailUnavailable(
                "jail.mode is `unsafe`: a workspace cannot be kept read-only without a jail"
            )
        jail = await self._take(spec, way_out)
        try:
            await ready(jail)
            await way_out.serve({})
        except BaseException:
            await jail.kill("start failed")
            await jail.close(grace=0)
            raise
        return jail

    async def _take(self, spec: JailSpec, way_out: WayOut) -> Jail:
        loop = asyncio.get_running_loop()
        env = {**BASE_ENVIRONMENT, "HOME": str(spec.home), **way_out.environment(), **spec.env}
        child = await loop.run_in_executor(self._thread, spawn, spec, env)
        process = LooseProcess(child)
        try:
            pipes = await connect(child)
        except BaseException:
            process.kill()
            await process.gone()
            raise
        return Jail(
            Parts(
                jail_id=spec.jail_id,
                jailed=False,
                limits=enforced(spec.limits),
                process=process,
                pipes=pipes,
                way_out=way_out,
                journal=self._journal,
                ways_in=_ways_in,
                clear=_nothing,
            )
        )


class LooseProcess:
    """The warden of an unjailed agent; told to end, it ends all the agent has started."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.inner_pid = child.pid
        self._child = child
        self._pidfd = os.pidfd_open(child.pid)
        self._over = False

    def kill(self) -> None:
        """SIGTERM for the warden, whose agents get SIGKILL; after 3 s SIGKILL for itself."""
        if not self._over:
            self._signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._signal, signal.SIGKILL)

    async def gone(self) -> int | None:
        """Waits until the warden, which goes last, has ended."""
        try:
            await pidfds.ended(self._pidfd)
            code = self._child.wait()
            return 128 - code if code < 0 else code
        finally:
            self._over = True
            os.close(self._pidfd)

    def _signal(self, number: signal.Signals) -> None:
        if not self._over:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


def spawn(spec: JailSpec, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Starts the warden, which waits at its gate; it is told of the death of the calling thread."""
    limits = (str(spec.limits.open_files), str(spec.limits.file_size))
    try:
        os.close(os.open(spec.workspace, os.O_PATH | os.O_DIRECTORY))
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(warden.__file__)), *limits, *spec.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=env,
            cwd=spec.begins_in or spec.workspace,
            umask=0o022,
            start_new_session=True,
        )
    except OSError as failure:
        raise JailUnavailable(remedies.FOLDER.format(detail=failure)) from failure


def enforced(limits: JailLimits) -> tuple[str, ...]:
    """Returns what holds without a jail."""
    return (f"rlimit.open_files={limits.open_files}", f"rlimit.file_size={limits.file_size}")


async def _ways_in(count: int) -> list[socket.socket]:
    return [network.unconnected() for _ in range(count)]


async def _nothing() -> None:
    return
