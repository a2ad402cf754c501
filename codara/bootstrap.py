"""Builds every part and hands it to those that need it: the only module that knows them all."""

import asyncio
import hashlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import attrs
from aiohttp import web

from codara.adapters import gatewayfile, secrets
from codara.adapters.agents.homes import Homes
from codara.adapters.agents.house import House as AgentHouse
from codara.adapters.agents.pool import AgentPool
from codara.adapters.agents.registry import RUNTIMES, runtimes
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.jails import Jails as JailMaker
from codara.adapters.jail.spec import JailLimits
from codara.adapters.jail.sweeper import Sweeper
from codara.adapters.jail.unsafe import Unsafe
from codara.adapters.spool import FileSpool
from codara.adapters.vault import FileVault
from codara.adapters.workspaces import walker
from codara.adapters.workspaces.folders import Folders
from codara.application.accounts import Accounts
from codara.application.deciding import Deciding
from codara.application.health import Health
from codara.application.jails import Jails
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.recovery import Recovery
from codara.application.sessions import Sessions
from codara.application.turns.means import Limits, Means, Patience
from codara.application.turns.turns import Turns
from codara.application.users import Users
from codara.application.workspaces import WorkspaceDesk
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.domain.aggregates import of_stream
from codara.errors import AddressInUse, CodaraError, JailUnavailable, LogLocked
from codara.events import streams
from codara.events.base import Cause, Event
from codara.events.gateway import GatewayStarted, GatewayStopped
from codara.events.log import EventLog
from codara.http import app, server
from codara.http.services import Services
from codara.ids import new_id
from codara.projections.views import Views
from codara.version import installed

KEYED_DISCONNECT_GRACE = 30.0
LAG_SECONDS = 5.0
DRAIN_SECONDS = 10.0
HOLDER_SECONDS = 5.0
"""How long a start waits for a command that holds the log for a moment."""

logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Running:
    """A gateway that accepts requests."""

    address: str
    data_dir: Path
    jail: str
    new_passkey: str | None
    services: Services


@attrs.frozen(kw_only=True)
class House:
    """Everything that is open while a gateway, or one command without a gateway, is at work."""

    settings: Settings
    log: EventLog
    deciding: Deciding
    views: Views
    jails: JailMaker
    means: Means
    turns: Turns
    services: Services
    health: Health
    new_passkey: str | None


@asynccontextmanager
async def offline(loaded: Loaded) -> AsyncIterator[Services]:
    """The services without a gateway: nothing is recovered, no agent starts.

    LogLocked while a gateway (or another command) has the data folder.
    """
    async with AsyncExitStack() as stack:
        house = await open_house(loaded, stack)
        yield house.services


async def serve(
    loaded: Loaded, *, accept_unjailed: bool, on_ready: Callable[[Running], None]
) -> None:
    """Runs the gateway until SIGTERM or SIGINT, then lets running turns end.

    Raises AddressInUse, LogLocked, LogDamaged, MasterKeyInvalid or JailUnavailable, each before
    anything was changed that a later start would stumble over.
    """
    settings = loaded.settings
    _refuse_unjailed(settings, accepted=accept_unjailed)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        house = await _open_waiting(loaded, stack)
        gateway_id = new_id("gtw")
        await house.jails.start_up()
        await _recover(house, gateway_id)
        await _opening(house, gateway_id)
        stack.push_async_callback(_closing, house, gateway_id)
        stack.push_async_callback(house.turns.close, DRAIN_SECONDS)
        address = await _open_doors(house, listener, stack)
        on_ready(
            Running(
                address=address,
                data_dir=settings.server.data_dir,
                jail=_jail_words(settings),
                new_passkey=house.new_passkey,
                services=house.services,
            )
        )
        await _told_to_stop()


async def open_house(loaded: Loaded, stack: AsyncExitStack) -> House:
    """Opens log, vault and views, catches the views up, and puts the services together."""
    settings = loaded.settings
    home = settings.server.data_dir
    await asyncio.to_thread(_make_private, home)
    passkey, is_new = await asyncio.to_thread(secrets.passkey, home, loaded.passkey)
    vault = await FileVault.open(home, loaded.master_key)
    stack.push_async_callback(vault.close)
    log = await EventLog.open(home / "events.db", vault)
    stack.push_async_callback(log.close)
    views = await Views.open(home / "views", log)
    stack.push_async_callback(views.close)
    await views.start()
    deciding = Deciding(log, of_stream)
    jails = _jails(settings, Jails(deciding=deciding, new_id=new_id))
    stack.push_async_callback(jails.close)
    folders = _folders(settings)
    stack.push_async_callback(folders.close)
    spool = FileSpool(home / "spool", vault)
    stack.push_async_callback(spool.close)
    agents = AgentPool(runtimes(settings.providers, _agent_house(settings, jails, vault)))
    stack.push_async_callback(agents.close)
    means = Means(
        log=log,
        deciding=deciding,
        workspaces=folders,
        agents=agents,
        spool=spool,
        keys=vault,
        standings=views.accounts,
        feed=views,
        clock=utc_now,
        new_id=new_id,
        limits=_limits(settings),
        jailed=jails.jailed,
    )
    desk = WorkspaceDesk(deciding=deciding, workspaces=folders, keys=vault, new_id=new_id)
    turns = Turns(means, desk)
    operators = Operators(deciding, passkey, utc_now, new_id, issuer=log.log_id)
    stack.push_async_callback(operators.close)
    health = Health([lambda: _log_trouble(log), lambda: _view_trouble(views)])
    services = Services(
        turns=turns,
        sessions=Sessions(deciding=deciding, new_id=new_id),
        users=Users(
            deciding=deciding,
            keys=vault,
            key_streams=views.users,
            clock=utc_now,
            new_id=new_id,
            default_concurrency=settings.users.max_concurrency,
        ),
        accounts=Accounts(
            deciding=deciding,
            vault=vault,
            clock=utc_now,
            new_id=new_id,
            cooldown_seconds=settings.accounts.cooldown_seconds,
        ),
        operators=operators,
        models=Models(agents, _default_models(settings), int(utc_now().timestamp())),
        views=views,
        health=health,
        settings=settings,
        clock=utc_now,
        new_id=new_id,
    )
    return House(
        settings=settings,
        log=log,
        deciding=deciding,
        views=views,
        jails=jails,
        means=means,
        turns=turns,
        services=services,
        health=health,
        new_passkey=passkey if is_new else None,
    )


def _agent_house(settings: Settings, jails: JailMaker, vault: FileVault) -> AgentHouse:
    limits = JailLimits(
        memory=settings.jail.memory,
        processes=settings.jail.processes,
        file_size=settings.jail.file_size,
    )
    uid = settings.jail.uid if os.geteuid() == 0 else None
    homes = Homes(settings.server.data_dir / "homes", uid)
    return AgentHouse(jails=jails, homes=homes, vault=vault, limits=limits)


def _jails(settings: Settings, journal: Jails) -> JailMaker:
    jail = settings.jail
    if jail.mode == "unsafe":
        return Unsafe(journal)
    return Bubblewrap(
        journal, uid=jail.uid, network=jail.network, allow_hosts=tuple(jail.allow_hosts)
    )


def _folders(settings: Settings) -> Folders:
    wanted = settings.workspace
    limits = walker.Limits(
        max_files=wanted.max_files,
        max_bytes=wanted.max_bytes,
        max_file_bytes=wanted.max_file_bytes,
        max_diff_bytes=wanted.max_diff_bytes,
        ignore=frozenset(wanted.ignore),
    )
    owner = (settings.jail.uid, settings.jail.uid) if os.geteuid() == 0 else None
    return Folders(wanted.root, settings.server.data_dir / "trees", limits=limits, owner=owner)


def _limits(settings: Settings) -> Limits:
    turns, accounts = settings.orchestrator, settings.accounts
    patience = {
        name: Patience(
            turn_timeout=provider.turn_timeout_seconds,
            stall_timeout=provider.stall_timeout_seconds,
        )
        for name in RUNTIMES
        for provider in [settings.providers.named(name)]
    }
    return Limits(
        max_concurrency=turns.max_concurrency,
        queue_limit=turns.queue_limit,
        queue_timeout=turns.queue_timeout_seconds,
        session_ttl=timedelta(hours=turns.session_ttl_hours),
        disconnect_grace=turns.disconnect_grace_seconds,
        keyed_disconnect_grace=max(KEYED_DISCONNECT_GRACE, turns.disconnect_grace_seconds),
        account_slots=accounts.max_concurrency,
        primary_floor=accounts.primary_floor_percent,
        cooldown=timedelta(seconds=accounts.cooldown_seconds),
        patience=patience,
    )


def _default_models(settings: Settings) -> dict[str, str | None]:
    return {name: settings.providers.named(name).default_model for name in RUNTIMES}


def _refuse_unjailed(settings: Settings, *, accepted: bool) -> None:
    if settings.jail.mode == "unsafe" and not accepted:
        raise JailUnavailable(
            "jail.mode is unsafe: agents would run without a jail, as the gateway's own user. "
            "Start with --i-accept-unjailed to accept that, or set jail.mode to bwrap."
        )


def _jail_words(settings: Settings) -> str:
    if settings.jail.mode == "unsafe":
        return "NONE: agents run unjailed, and every answer says so"
    return "bubblewrap"


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _listener(settings: Settings) -> socket.socket:
    """The bound socket, before anything else is opened."""
    host, port = settings.server.host, settings.server.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise AddressInUse(
            f"The gateway cannot listen on {host}:{port} ({error.strerror or error}). "
            "Stop the program that uses it, or choose another --port."
        ) from error


async def _open_waiting(loaded: Loaded, stack: AsyncExitStack) -> House:
    """Opens the house; a command that holds the log for a moment is waited for."""
    deadline = asyncio.get_running_loop().time() + HOLDER_SECONDS
    while True:
        attempt = AsyncExitStack()
        try:
            house = await open_house(loaded, attempt)
        except LogLocked:
            await attempt.aclose()
            is_gateway = gatewayfile.read(loaded.settings.server.data_dir) is not None
            if is_gateway or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
        except BaseException:
            await attempt.aclose()
            raise
        else:
            await stack.enter_async_context(attempt)
            return house


async def _recover(house: House, gateway_id: str) -> None:
    recovery = Recovery(
        means=house.means,
        unfinished=house.views.unfinished,
        sweeper=Sweeper(),
        gateway_id=gateway_id,
    )
    await recovery.run()


async def _opening(house: House, gateway_id: str) -> None:
    settings = house.settings
    await house.services.users.ensure_admin(settings.orchestrator.max_concurrency)
    started = GatewayStarted(
        gateway_id=gateway_id,
        codara_version=installed(),
        jail=settings.jail.mode,
        config_digest=hashlib.sha256(repr(settings).encode()).hexdigest(),
    )
    await _note(house, gateway_id, started)


async def _closing(house: House, gateway_id: str) -> None:
    gatewayfile.remove(house.settings.server.data_dir)
    with suppress(CodaraError):
        await _note(house, gateway_id, GatewayStopped(gateway_id=gateway_id))


async def _note(house: House, gateway_id: str, event: Event) -> None:
    cause = Cause(actor="system:gateway", correlation_id=gateway_id)
    stream = streams.GATEWAY
    decided = await house.deciding.decide([stream], lambda _: {stream: [event]}, cause)
    await house.views.wait_for(decided.position or 0, 1.0)


async def _open_doors(house: House, listener: socket.socket, stack: AsyncExitStack) -> str:
    settings = house.settings
    runner = server.runner(app.build(house.services))
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    gatewayfile.write(settings.server.data_dir, address, house.services.operators.local_token)
    return address


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(NotImplementedError, RuntimeError):
                loop.remove_signal_handler(number)


def _log_trouble(log: EventLog) -> list[str]:
    trouble = log.healthy()
    return [f"the log takes no writes: {trouble}"] if trouble else []


def _view_trouble(views: Views) -> list[str]:
    troubles = [f"read model {name}: {why}" for name, why in views.failures().items()]
    if views.lag() > LAG_SECONDS:
        troubles.append(f"the read models are {views.lag():.0f} s behind the log")
    return troubles
