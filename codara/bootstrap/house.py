"""The house: everything that is open while a gateway, or one command, is at work."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import attrs

from codara.adapters import secrets
from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.agents.registry import runtimes
from codara.adapters.jail.jails import Jails as JailMaker
from codara.adapters.spool import FileSpool
from codara.adapters.vault.vault import FileVault
from codara.application.accounts import Accounts
from codara.application.deciding import Deciding
from codara.application.health import Followers, Health
from codara.application.jails import JailRecords
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.providers import ProviderWarnings
from codara.application.sessions import Sessions
from codara.application.turns.context import Context
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.application.users import Users
from codara.application.workspaces import WorkspaceDesk
from codara.bootstrap.logins import kept_logins
from codara.bootstrap.parts import (
    agent_bounds,
    agent_house,
    default_models,
    folders,
    jail_maker,
    limits,
    ways_out,
)
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.domain.aggregates import of_stream
from codara.events.base import GATEWAY_SUBJECT, Cause
from codara.events.store.log import EventLog
from codara.http.services import Services
from codara.ids import new_id
from codara.projections.views import Views


@attrs.frozen(kw_only=True)
class House:
    """Everything that is open while a gateway, or one command without a gateway, is at work."""

    run_id: str
    """Correlates the facts of this run that no request asked for."""
    settings: Settings
    log: EventLog
    deciding: Deciding
    views: Views
    jails: JailMaker
    context: Context
    turns: Turns
    services: Services
    health: Health
    new_passkey: str | None


async def open_house(loaded: Loaded, stack: AsyncExitStack) -> House:
    """Opens log, vault and views, catches the views up, and puts the services together."""
    settings = loaded.settings
    home, run_id = settings.server.data_dir, new_id("gtw")
    await asyncio.to_thread(_make_private, home)
    passkey, is_new = await asyncio.to_thread(secrets.passkey, home, loaded.passkey)
    vault = await FileVault.open(home, loaded.master_key)
    stack.push_async_callback(vault.close)
    await vault.ensure(GATEWAY_SUBJECT)
    log = await EventLog.open(settings.log_path, vault, run_id=run_id)
    stack.push_async_callback(log.close)
    views = await Views.open(home / "views", log)
    stack.push_async_callback(views.close)
    await views.start()
    deciding = Deciding(log, of_stream)
    journal = JailRecords(
        deciding=deciding, cause=Cause(actor="system:jail", correlation_id=run_id)
    )
    ways = ways_out(settings, journal)
    stack.push_async_callback(ways.close)
    jails = jail_maker(settings, journal)
    stack.push_async_callback(jails.close)
    workspaces = folders(settings)
    stack.push_async_callback(workspaces.close)
    spool = FileSpool(home / "spool", vault)
    stack.push_async_callback(spool.close)
    kept = kept_logins(settings.providers, deciding, vault, run_id)
    stack.push_async_callback(kept.close)
    agents = AgentPool(
        runtimes(settings.providers, agent_house(settings, jails, ways, vault, kept)),
        bounds=agent_bounds(settings),
        weigh=jails.memory,
    )
    stack.push_async_callback(agents.close)
    context = Context(
        log=log,
        deciding=deciding,
        workspaces=workspaces,
        agents=agents,
        spool=spool,
        keys=vault,
        standings=views.account_standings,
        feed=views,
        finder=Finder(views.points, views, utc_now),
        clock=utc_now,
        new_id=new_id,
        limits=limits(settings),
        jailed=jails.jailed,
    )
    desk = WorkspaceDesk(deciding=deciding, workspaces=workspaces, keys=vault, new_id=new_id)
    turns = Turns(context, desk)
    operators = Operators(deciding, passkey, utc_now, new_id, issuer=log.log_id, run_id=run_id)
    stack.push_async_callback(operators.close)
    defaults = default_models(settings)
    lacks = ProviderWarnings(
        agents=agents, standings=views.account_standings, providers=tuple(defaults), clock=utc_now
    )
    health = Health([lambda: log_trouble(log)], Followers([views.standings]), lacks)
    services = Services(
        turns=turns,
        sessions=Sessions(deciding=deciding, finder=context.finder),
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
            pool=views.account_standings,
            clock=utc_now,
            new_id=new_id,
            cooldown_seconds=settings.accounts.cooldown_seconds,
        ),
        operators=operators,
        models=Models(agents, defaults, int(utc_now().timestamp())),
        views=views,
        health=health,
        settings=settings,
        clock=utc_now,
        new_id=new_id,
    )
    return House(
        run_id=run_id,
        settings=settings,
        log=log,
        deciding=deciding,
        views=views,
        jails=jails,
        context=context,
        turns=turns,
        services=services,
        health=health,
        new_passkey=passkey if is_new else None,
    )


def log_trouble(log: EventLog) -> list[str]:
    trouble = log.trouble()
    return [f"the log takes no writes: {trouble.code}: {trouble.message}"] if trouble else []


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
