"""Parts as the settings want them."""

import os
from datetime import timedelta
from pathlib import Path

from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.home.listings import Listings
from codara.adapters.agents.house import RuntimeContext as AgentHouse
from codara.adapters.agents.pool.room import Bounds
from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.jails import Jails as JailMaker
from codara.adapters.jail.spec import JailLimits
from codara.adapters.jail.unsafe import Unsafe
from codara.adapters.vault.vault import FileVault
from codara.adapters.workspaces import walker
from codara.adapters.workspaces.folders import Folders
from codara.application.ports.jails import JailJournal
from codara.application.refreshing import KeptLogins
from codara.application.turns.context import Patience, TurnLimits
from codara.bootstrap.descriptors import run_short
from codara.config.settings import Settings
from codara.runtimes import PROVIDERS

KEYED_DISCONNECT_GRACE = 30.0


def agent_house(
    settings: Settings, jails: JailMaker, ways: WaysOut, vault: FileVault, kept: KeptLogins
) -> AgentHouse:
    return AgentHouse(
        jails=jails,
        ways_out=ways,
        homes=homes(settings, settings.server.data_dir / "homes"),
        vault=vault,
        logins=kept,
        listings=Listings(settings.server.data_dir),
        limits=jail_limits(settings),
    )


def homes(settings: Settings, folder: Path) -> Homes:
    return Homes(folder, settings.jail.uid if os.geteuid() == 0 else None)


def jail_limits(settings: Settings) -> JailLimits:
    jail = settings.jail
    return JailLimits(memory=jail.memory, processes=jail.processes, file_size=jail.file_size)


def agent_bounds(settings: Settings) -> Bounds:
    return Bounds(
        memory=settings.jail.total_memory,
        patience=settings.orchestrator.queue_timeout_seconds,
        crowded=run_short,
    )


def jail_maker(settings: Settings, journal: JailJournal) -> JailMaker:
    if settings.jail.mode == "unsafe":
        return Unsafe(journal)
    return Bubblewrap(journal, uid=settings.jail.uid)


def ways_out(settings: Settings, journal: JailJournal) -> WaysOut:
    """Ways out for the jails that `jail_maker` makes of the same settings.

    Without walls agents are always told of a proxy: else their tools would not even ask it.
    """
    jail = settings.jail
    walls = jail.mode != "unsafe"
    network = jail.network if walls else "proxy"
    return WaysOut(journal, walls=walls, network=network, allow_hosts=tuple(jail.allow_hosts))


def folders(settings: Settings) -> Folders:
    wanted = settings.workspace
    bounds = walker.WalkLimits(
        max_files=wanted.max_files,
        max_bytes=wanted.max_bytes,
        max_file_bytes=wanted.max_file_bytes,
        max_diff_bytes=wanted.max_diff_bytes,
        ignore=frozenset(wanted.ignore),
    )
    owner = (settings.jail.uid, settings.jail.uid) if os.geteuid() == 0 else None
    return Folders(wanted.root, settings.server.data_dir / "trees", limits=bounds, owner=owner)


def limits(settings: Settings) -> TurnLimits:
    turns, accounts = settings.orchestrator, settings.accounts
    patience = {
        name: Patience(
            turn_timeout=provider.turn_timeout_seconds,
            stall_timeout=provider.stall_timeout_seconds,
        )
        for name in PROVIDERS
        for provider in [settings.providers.named(name)]
    }
    return TurnLimits(
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


def default_models(settings: Settings) -> dict[str, str | None]:
    """In the order of preference: the first is that of a request which leaves it open."""
    return {name: settings.providers.named(name).default_model for name in PROVIDERS}
