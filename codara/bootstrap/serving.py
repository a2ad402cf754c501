"""The gateway, from its start to its stop."""

import asyncio
import gc
import hashlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import attrs
from aiohttp import web

from codara.adapters import secrets
from codara.adapters.jail.probe import probe
from codara.adapters.jail.sweeper import Sweeper
from codara.application.deadlines import Deadlines
from codara.application.learning import Learning
from codara.application.recovery import Recovery
from codara.application.tidying import Tidying
from codara.bootstrap.checks import repeated_checks
from codara.bootstrap.descriptors import door_bounds, raise_limit
from codara.bootstrap.house import House, open_house
from codara.bootstrap.loglines import bounded_lines
from codara.bootstrap.settling import settle
from codara.client import running as gateways
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.errors import AddressInUse, CodaraError, JailUnavailable, LogLocked
from codara.events import streams
from codara.events.base import Cause, Event
from codara.events.gateway import GatewayStarted, GatewayStopped
from codara.http import app, server
from codara.version import installed

DRAIN_SECONDS = 10.0
COLLECTING = (4_000, 20, 20)
"""A turn makes some thousand objects: collecting every 700 of them costs half a millisecond."""
HOLDER_SECONDS = 5.0
"""How long a start waits for a command that holds the log for a moment."""


@attrs.frozen(kw_only=True)
class ServedGateway:
    """A gateway that accepts requests."""

    address: str
    data_dir: Path
    jail: str
    new_passkey: str | None
    house: House

    @property
    def passkey_file(self) -> Path:
        """Where a passkey that was made is kept."""
        return self.data_dir / secrets.FOLDER / secrets.FILE

    def passkey_told(self) -> None:
        """Remembers that the made passkey was shown, so that it never is again."""
        secrets.mark_told(self.data_dir)


async def serve(
    loaded: Loaded,
    *,
    accept_unjailed: bool,
    accept_loss: bool = False,
    on_ready: Callable[[ServedGateway], None],
) -> None:
    """Runs the gateway until SIGTERM or SIGINT, then lets running turns end.

    Raises AddressInUse, LogLocked, LogDamaged, DataMismatch, MasterKeyInvalid, JailUnavailable,
    or ConfigInvalid for a limit of open files that is too small, each before anything was changed
    that a later start would stumble over. With `accept_loss` log or vault may be an older copy.
    """
    settings = loaded.settings
    _refuse_unjailed(settings, accepted=accept_unjailed)
    raise_limit(settings)
    async with AsyncExitStack() as stack:
        lines = stack.enter_context(bounded_lines())
        stack.push_async_callback(_stopped, asyncio.create_task(lines.keep()))
        listener = stack.enter_context(_listener(settings))
        house = await _open_waiting(loaded, stack, accept_loss=accept_loss)
        await _prove_jail(settings)
        await house.jails.start_up()
        await _recover(house)
        await settle(house, _cause(house, "gateway"))
        await _opening(house)
        stack.push_async_callback(_closing, house)
        stack.push_async_callback(_stopped, asyncio.create_task(_deadlines(house).keep()))
        for check in repeated_checks(settings):
            house.health.checks.append(check.reasons)
            stack.push_async_callback(_stopped, asyncio.create_task(check.keep()))
        doors = await _open_doors(house, listener, stack)
        stack.push_async_callback(house.turns.close, DRAIN_SECONDS)
        stack.push_async_callback(doors.stop)
        address = _announce(house, listener)
        stack.push_async_callback(_stopped, asyncio.create_task(_learning(house).keep()))
        stack.push_async_callback(_stopped, asyncio.create_task(_tidying(house).keep()))
        _spare_collector()
        with _stop_signals() as stop:
            on_ready(
                ServedGateway(
                    address=address,
                    data_dir=settings.server.data_dir,
                    jail=_jail_words(settings),
                    new_passkey=house.new_passkey,
                    house=house,
                )
            )
            await stop.wait()


def _spare_collector() -> None:
    """What start-up has made stays for good: a full collection that walks it blocks for 70 ms.

    The thresholds are the whole process's: what runs a gateway inside another program keeps them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTING)


def _refuse_unjailed(settings: Settings, *, accepted: bool) -> None:
    if settings.jail.mode == "unsafe" and not accepted:
        raise JailUnavailable(
            "jail.mode is unsafe: agents would run without a jail, as the gateway's own user. "
            "Start with --i-accept-unjailed to accept that, or set jail.mode to bwrap."
        )


async def _prove_jail(settings: Settings) -> None:
    """Runs a jail that tries to get out; JailUnavailable if it succeeds, or cannot be made."""
    if settings.jail.mode == "unsafe":
        return
    result = await probe(uid=settings.jail.uid)
    for check in result.checks:
        if not check.ok:
            raise JailUnavailable(f"{check.detail or check.name}. {check.remedy}")


def _jail_words(settings: Settings) -> str:
    if settings.jail.mode == "unsafe":
        return "NONE: agents run unjailed, and every answer says so"
    return "bubblewrap"


def _listener(settings: Settings) -> socket.socket:
    """The bound socket, before anything else is opened."""
    host, port = settings.server.host, settings.server.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise AddressInUse(
            f"The gateway cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}). "
            "Stop the program that uses it, or choose another --port."
        ) from error


async def _open_waiting(loaded: Loaded, stack: AsyncExitStack, *, accept_loss: bool) -> House:
    """Opens the house; a command that holds the log for a moment is waited for."""
    deadline = asyncio.get_running_loop().time() + HOLDER_SECONDS
    while True:
        try:
            return await stack.enter_async_context(open_house(loaded, accept_loss=accept_loss))
        except LogLocked:
            is_gateway = gateways.read(loaded.settings.server.data_dir) is not None
            if is_gateway or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)


def _deadlines(house: House) -> Deadlines:
    return Deadlines(
        deciding=house.deciding,
        expiring=house.views.sessions,
        clock=house.context.clock,
        cause=_cause(house, "deadlines"),
    )


def _learning(house: House) -> Learning:
    return Learning(
        agents=house.context.agents,
        standings=house.views.account_standings,
        providers=house.services.models.providers,
    )


def _tidying(house: House) -> Tidying:
    return Tidying(
        deciding=house.deciding,
        threads=house.views.threads,
        feed=house.views,
        agents=house.context.agents,
        clock=house.context.clock,
        cause=_cause(house, "tidying"),
        bound=house.settings.workspace.home_bytes,
    )


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def _recover(house: House) -> None:
    recovery = Recovery(
        context=house.context,
        unfinished=house.views.unfinished,
        sweeper=Sweeper(),
        gateway_id=house.run_id,
    )
    await recovery.run()


async def _opening(house: House) -> None:
    settings = house.settings
    await house.services.users.ensure_admin(
        settings.orchestrator.max_concurrency, _cause(house, "gateway")
    )
    started = GatewayStarted(
        gateway_id=house.run_id,
        codara_version=installed(),
        jail=settings.jail.mode,
        config_digest=hashlib.sha256(repr(settings).encode()).hexdigest(),
    )
    await _note(house, started)


async def _closing(house: House) -> None:
    gateways.remove(house.settings.server.data_dir)
    with suppress(CodaraError):
        await _note(house, GatewayStopped(gateway_id=house.run_id))


def _cause(house: House, name: str) -> Cause:
    return Cause(actor=f"system:{name}", correlation_id=house.run_id)


async def _note(house: House, event: Event) -> None:
    cause = _cause(house, "gateway")
    stream = streams.GATEWAY
    decided = await house.deciding.decide([stream], lambda _: {stream: [event]}, cause)
    await house.views.wait_for(decided.position or 0, 1.0)


async def _open_doors(house: House, listener: socket.socket, stack: AsyncExitStack) -> web.SockSite:
    """The doors; stopped, they let nobody in any more, and serve those who are in to the end."""
    runner = server.runner(
        app.build(house.services),
        bounds=door_bounds(house.settings),
        trusted=house.settings.server.trusted_proxies,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    doors = web.SockSite(runner, listener)
    await doors.start()
    return doors


def _announce(house: House, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    token = house.services.operators.local_token
    gateways.write(house.settings.server.data_dir, address, token)
    return address


@contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set, for as long as this is open."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
