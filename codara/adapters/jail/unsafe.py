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
from functools import partial
from pathlib import Path

import aiohttp

from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import Doors
from codara.adapters.egress.outgoing import outgoing_session
from codara.adapters.jail import network, pidfds, remedies, warden
from codara.adapters.jail.bubblewrap import BASE_ENVIRONMENT
from codara.adapters.jail.jail import Jail, Parts
from codara.adapters.jail.pipes import connect
from codara.adapters.jail.spec import BROKER_PORT, PROXY_PORT, JailLimits, JailSpec
from codara.adapters.jail.starting import Starting, announce, ready
from codara.adapters.jail.weights import Home
from codara.application.ports.jails import JailJournal
from codara.errors import JailUnavailable

GRACE_SECONDS = 3.0


class Unsafe:
    """Satisfies `Jails` with a session of its own, a clean environment and resource limits only.

    An agent can read whatever the gateway can, its vault included.
    """

    jailed = False

    def __init__(
        self,
        journal: JailJournal,
        *,
        network: str = "proxy",
        allow_hosts: tuple[str, ...] = (),
    ) -> None:
        self._journal = journal
        self._ports = (BROKER_PORT, PROXY_PORT) if network == "proxy" else (BROKER_PORT,)
        self._allow_hosts = allow_hosts
        self._session: aiohttp.ClientSession | None = None
        self._starting = Starting()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jails")

    async def start_up(self) -> None:
        """Makes the brokers' session."""
        self._session = outgoing_session()

    def open_doors(self) -> Doors:
        """Ports on the host's own loopback, other ones for each agent."""
        return Doors.on_host(self._ports)

    def inner_home(self, home: Path) -> Path:
        """The home itself."""
        return home

    async def adopt(self, path: Path) -> None:
        """Nothing to do: agents run as the gateway's user."""

    async def start(self, spec: JailSpec, doors: Doors) -> Jail:
        """See `Jails.start`; a read-only workspace cannot be had without walls."""
        begin = partial(announce, spec=spec, doors=doors, journal=self._journal, mode="unsafe")
        try:
            return await self._starting.run(self._make(spec, doors), begin)
        except BaseException:
            doors.close()
            raise

    async def memory(self) -> Mapping[Home, int]:
        """See `Jails.memory`."""
        return await self._starting.memory()

    async def close(self) -> None:
        """Ends what is left."""
        await self._starting.close()
        if self._session is not None:
            await self._session.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def _make(self, spec: JailSpec, doors: Doors) -> Jail:
        if spec.read_only_workspace:
            raise JailUnavailable(
                "jail.mode is `unsafe`: a workspace cannot be kept read-only without a jail"
            )
        jail = await self._take(spec, doors)
        try:
            await ready(jail)
            await jail.broker.serve(doors.listeners)
        except BaseException:
            await jail.kill("start failed")
            await jail.close(grace=0)
            raise
        return jail

    async def _take(self, spec: JailSpec, doors: Doors) -> Jail:
        if self._session is None:
            raise JailUnavailable("agents are started before `start_up` or after `close`")
        broker = Broker(
            spec.jail_id,
            doors.token,
            journal=self._journal,
            session=self._session,
            allow_hosts=self._allow_hosts + spec.allow_hosts,
        )
        loop = asyncio.get_running_loop()
        child = await loop.run_in_executor(self._thread, spawn, spec, doors)
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
                broker=broker,
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


def spawn(spec: JailSpec, doors: Doors) -> "subprocess.Popen[bytes]":
    """Starts the warden, which waits at its gate; it is told of the death of the calling thread."""
    base = BASE_ENVIRONMENT | {"HOME": str(spec.home)}
    limits = (str(spec.limits.open_files), str(spec.limits.file_size))
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(warden.__file__)), *limits, *spec.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=base | doors.proxy_environment() | dict(spec.env),
            cwd=spec.workspace,
            umask=0o022,
            start_new_session=True,
        )
    except OSError as failure:
        raise JailUnavailable(remedies.FOLDER.format(detail=failure)) from failure


def enforced(limits: JailLimits) -> tuple[str, ...]:
    """What holds without a jail."""
    return (f"rlimit.open_files={limits.open_files}", f"rlimit.file_size={limits.file_size}")


async def _ways_in(count: int) -> list[socket.socket]:
    return [network.unconnected() for _ in range(count)]


async def _nothing() -> None:
    return
