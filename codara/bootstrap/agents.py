"""The agents: their jails and the ways out, their folders, and the pool that keeps them running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.agents.registry import runtimes
from codara.adapters.jail.jails import Jails as JailMaker
from codara.adapters.spool import FileSpool
from codara.adapters.workspaces.folders import Folders
from codara.application.jails import JailRecords
from codara.bootstrap.closing import closing
from codara.bootstrap.logins import kept_logins
from codara.bootstrap.parts import agent_bounds, agent_house, folders, jail_maker, ways_out
from codara.bootstrap.store import OpenStore
from codara.config.settings import Settings
from codara.events.base import Cause


@attrs.frozen(kw_only=True)
class OpenAgents:
    """What a turn needs of the outside."""

    jails: JailMaker
    workspaces: Folders
    spool: FileSpool
    pool: AgentPool


@asynccontextmanager
async def open_agents(
    settings: Settings, store: OpenStore, run_id: str
) -> AsyncIterator[OpenAgents]:
    """Opens what agents work with, and the pool last: it is closed first, and ends them."""
    journal = JailRecords(
        deciding=store.deciding, cause=Cause(actor="system:jail", correlation_id=run_id)
    )
    async with (
        closing(ways_out(settings, journal)) as ways,
        closing(jail_maker(settings, journal)) as jails,
        closing(folders(settings)) as workspaces,
        closing(FileSpool(settings.server.data_dir / "spool", store.vault)) as spool,
        closing(kept_logins(settings.providers, store.deciding, store.vault, run_id)) as kept,
    ):
        house = agent_house(settings, jails, ways, store.vault, kept)
        bounds, known = agent_bounds(settings), runtimes(settings.providers, house)
        async with closing(AgentPool(known, bounds=bounds, weigh=jails.memory)) as pool:
            yield OpenAgents(jails=jails, workspaces=workspaces, spool=spool, pool=pool)
