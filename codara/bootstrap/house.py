"""The house: everything that is open while a gateway, or one command, is at work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from codara.adapters import secrets
from codara.adapters.jail.jails import Jails as JailMaker
from codara.application.accounts import Accounts
from codara.application.deciding import Deciding
from codara.application.health import Health
from codara.application.models import Models
from codara.application.operators import Operators
from codara.application.providers import LendableProviders, ProviderWarnings
from codara.application.repairing import Repairs
from codara.application.sessions import Sessions
from codara.application.turns.context import Context
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.application.users import Users
from codara.application.workspaces import WorkspaceDesk
from codara.bootstrap.agents import OpenAgents, open_agents
from codara.bootstrap.closing import closing
from codara.bootstrap.followers import OpenFollowers, open_followers
from codara.bootstrap.parts import default_models, limits
from codara.bootstrap.store import OpenStore, open_store
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import Settings
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
    store: OpenStore
    log: EventLog
    deciding: Deciding
    views: Views
    jails: JailMaker
    context: Context
    turns: Turns
    services: Services
    health: Health
    new_passkey: str | None


@attrs.frozen(kw_only=True)
class OpenServices:
    """What the routes use, and what turns are made of."""

    context: Context
    turns: Turns
    health: Health
    bundle: Services


@asynccontextmanager
async def open_house(loaded: Loaded, *, accept_loss: bool = False) -> AsyncIterator[House]:
    """Opens the house, each part on those before it; they are closed in the opposite order.

    With `accept_loss` log or vault may be an older copy; its opener has to record that then.
    A part to come is opened in the one of these four to which it belongs.
    """
    settings, run_id = loaded.settings, new_id("gtw")
    home = settings.server.data_dir
    await asyncio.to_thread(_make_private, home)
    passkey, is_new = await asyncio.to_thread(secrets.passkey, home, loaded.passkey)
    async with (
        open_store(loaded, run_id, accept_loss=accept_loss) as store,
        open_followers(settings, store.log) as followers,
        open_agents(settings, store, run_id) as agents,
        open_services(
            settings, store, followers, agents, passkey=passkey, run_id=run_id
        ) as services,
    ):
        yield House(
            run_id=run_id,
            settings=settings,
            store=store,
            log=store.log,
            deciding=store.deciding,
            views=followers.views,
            jails=agents.jails,
            context=services.context,
            turns=services.turns,
            services=services.bundle,
            health=services.health,
            new_passkey=passkey if is_new else None,
        )


@asynccontextmanager
async def open_services(
    settings: Settings,
    store: OpenStore,
    followers: OpenFollowers,
    agents: OpenAgents,
    *,
    passkey: str,
    run_id: str,
) -> AsyncIterator[OpenServices]:
    """Puts the services together, and closes those that have something open."""
    log, deciding = store.log, store.deciding
    context = _context(settings, store, followers.views, agents)
    desk = WorkspaceDesk(
        deciding=deciding, workspaces=agents.workspaces, keys=store.vault, new_id=new_id
    )
    turns = Turns(context, desk)
    health = _health(settings, store, followers, agents)
    made = Operators(deciding, passkey, utc_now, new_id, issuer=log.log_id, run_id=run_id)
    async with closing(made) as operators:
        bundle = Services(
            turns=turns,
            sessions=Sessions(deciding=deciding, finder=context.finder),
            repairs=Repairs(
                deciding=deciding, workspaces=agents.workspaces, clock=utc_now, new_id=new_id
            ),
            users=_users(settings, store, followers.views),
            accounts=_accounts(settings, store, followers.views),
            operators=operators,
            models=Models(
                agents.pool,
                default_models(settings),
                int(utc_now().timestamp()),
                aliases=settings.models.aliases,
                may_lend=LendableProviders(
                    standings=followers.views.account_standings, clock=utc_now
                ),
            ),
            views=followers.views,
            health=health,
            settings=settings,
            clock=utc_now,
            new_id=new_id,
        )
        yield OpenServices(context=context, turns=turns, health=health, bundle=bundle)


def _context(settings: Settings, store: OpenStore, views: Views, agents: OpenAgents) -> Context:
    return Context(
        log=store.log,
        deciding=store.deciding,
        workspaces=agents.workspaces,
        agents=agents.pool,
        spool=agents.spool,
        keys=store.vault,
        standings=views.account_standings,
        feed=views,
        finder=Finder(views.points, views, utc_now),
        clock=utc_now,
        new_id=new_id,
        limits=limits(settings),
        jailed=agents.jails.jailed,
    )


def _users(settings: Settings, store: OpenStore, views: Views) -> Users:
    return Users(
        deciding=store.deciding,
        keys=store.vault,
        key_streams=views.users,
        clock=utc_now,
        new_id=new_id,
        default_concurrency=settings.users.max_concurrency,
    )


def _accounts(settings: Settings, store: OpenStore, views: Views) -> Accounts:
    return Accounts(
        deciding=store.deciding,
        vault=store.vault,
        pool=views.account_standings,
        clock=utc_now,
        new_id=new_id,
        cooldown_seconds=settings.accounts.cooldown_seconds,
    )


def _health(
    settings: Settings, store: OpenStore, followers: OpenFollowers, agents: OpenAgents
) -> Health:
    lacks = ProviderWarnings(
        agents=agents.pool,
        standings=followers.views.account_standings,
        providers=tuple(default_models(settings)),
        clock=utc_now,
    )
    return Health([store.trouble], followers.told, lacks, [store.log.checking])


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
