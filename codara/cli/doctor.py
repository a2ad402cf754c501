"""`codara doctor`: what works here, what does not, and the remedy for each."""

import argparse
from typing import TYPE_CHECKING

from codara.cli.arguments import Commands, command, takes_json
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import paint, print_json
from codara.errors import CodaraError, ConfigInvalid, MasterKeyInvalid

if TYPE_CHECKING:
    from codara.bootstrap.doctor.findings import Check, Pool
    from codara.config.load import Loaded

_MARKS = {"ok": "good", "warn": "soon", "fail": "bad"}


def add(commands: Commands) -> None:
    about = "what works here, what does not, and the remedy for each"
    takes_json(command(commands, "doctor", about, run))


async def run(arguments: argparse.Namespace) -> int:
    import attrs

    findings = await examine(arguments)
    failed = any(check.status == "fail" for check in findings)
    if arguments.json:
        print_json({"ok": not failed, "checks": [attrs.asdict(check) for check in findings]})
    else:
        for check in findings:
            show(check)
    return 1 if failed else 0


async def examine(arguments: argparse.Namespace) -> "list[Check]":
    """Has everything checked; without a readable configuration only what needs none."""
    from codara.bootstrap.doctor import examination

    try:
        found = loaded(arguments)
    except (ConfigInvalid, MasterKeyInvalid) as bad:
        return examination.without_configuration(bad)
    return await examination.examine(found, await pool(found))


async def pool(found: "Loaded") -> "Pool":
    """Asks for the accounts there are; the data folder is not made for the question."""
    from codara.bootstrap.doctor.findings import Pool
    from codara.bootstrap.untouched import is_untouched
    from codara.client.client import LARGEST_PAGE, listed

    if is_untouched(found.settings):
        return Pool(nothing="none yet: nothing was ever started here")
    try:
        async with reach(found) as client:
            return Pool(rows=await listed(client, "/accounts", LARGEST_PAGE, {}))
    except CodaraError as refused:
        return Pool(trouble=refused.message)


def show(check: "Check") -> None:
    """Prints a line for the finding, and one for the remedy where there is something to do."""
    mark = paint(check.status.ljust(4), _MARKS[check.status])
    print(f"{mark}  {check.name:<14}  {check.detail}")
    if check.remedy:
        print(f"{'':<22}remedy: {check.remedy}")
