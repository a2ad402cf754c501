"""The examination: every check there is, in the order in which they are told."""

import asyncio

from codara.bootstrap.doctor import agents, logins, machine
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Check, Pool
from codara.config.load import Loaded
from codara.errors import CodaraError, ConfigInvalid


async def examine(found: Loaded, pool: Pool) -> list[Check]:
    """Checks everything there is; nothing is changed, and no agent begins a turn.

    Each agent answers once in a jail.
    """
    settings = found.settings
    return [
        machine.python(),
        configuration(found),
        await asyncio.to_thread(machine.data_folder, settings.server.data_dir),
        machine.open_files(settings),
        machine.master_key(found),
        await asyncio.to_thread(machine.address, settings.server),
        await agents.jail(settings.jail),
        await asyncio.to_thread(agents.control_groups),
        agents.node(),
        *await agents.runtimes(settings),
        *await logins.logins(settings, pool),
        machine.accounts(pool),
    ]


def configuration(found: Loaded) -> Check:
    """What was read, and what of it has no effect."""
    name, read = "configuration", str(found.path or "defaults and environment")
    if not found.warnings:
        return Check(name, OK, read)
    detail = "; ".join((read, *found.warnings))
    return Check(name, WARN, detail, "take out, or correct, what has no effect")


def without_configuration(bad: CodaraError) -> list[Check]:
    """Checks what needs no configuration, and says why none can be read."""
    name = "configuration" if isinstance(bad, ConfigInvalid) else "master key"
    return [machine.python(), Check(name, FAIL, bad.message, "`codara config check` reads it")]
