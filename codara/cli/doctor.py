"""`codara doctor`: what works here, what does not, and the remedy for each."""

import argparse
import asyncio

import attrs

from codara.cli import agent_checks, checks, login_checks
from codara.cli.arguments import Commands, command, takes_json
from codara.cli.checks import FAIL, OK, Check
from codara.cli.loading import loaded
from codara.cli.terminal import paint, print_json
from codara.errors import ConfigInvalid, MasterKeyInvalid

_MARKS = {"ok": "good", "warn": "soon", "fail": "bad"}


def add(commands: Commands) -> None:
    about = "what works here, what does not, and the remedy for each"
    takes_json(command(commands, "doctor", about, run))


async def run(arguments: argparse.Namespace) -> int:
    findings = await examine(arguments)
    failed = any(check.status == FAIL for check in findings)
    if arguments.json:
        print_json({"ok": not failed, "checks": [attrs.asdict(check) for check in findings]})
    else:
        for check in findings:
            show(check)
    return 1 if failed else 0


async def examine(arguments: argparse.Namespace) -> list[Check]:
    """Every check there is; without a readable configuration only those that need none.

    None changes anything or starts an agent's turn; each agent answers once in a jail.
    """
    try:
        found = loaded(arguments)
    except (ConfigInvalid, MasterKeyInvalid) as bad:
        name = "configuration" if isinstance(bad, ConfigInvalid) else "master key"
        return [checks.python(), Check(name, FAIL, bad.message, "`codara config check` reads it")]
    settings, pool = found.settings, await checks.pool(found)
    return [
        checks.python(),
        Check("configuration", OK, str(found.path or "defaults and environment")),
        await asyncio.to_thread(checks.data_folder, settings.server.data_dir),
        checks.master_key(found),
        await asyncio.to_thread(checks.address, settings.server),
        await agent_checks.jail(settings.jail),
        await asyncio.to_thread(agent_checks.control_groups),
        agent_checks.node(),
        *await agent_checks.runtimes(settings),
        *await login_checks.logins(settings, pool),
        checks.accounts(pool),
    ]


def show(check: Check) -> None:
    """One line for the finding, one for the remedy where there is something to do."""
    mark = paint(check.status.ljust(4), _MARKS[check.status])
    print(f"{mark}  {check.name:<14}  {check.detail}")
    if check.remedy:
        print(f"{'':<22}remedy: {check.remedy}")
