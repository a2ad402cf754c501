"""`codara version`."""

import argparse
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from codara.cli.arguments import Commands, command, takes_json
from codara.cli.terminal import print_json


def add(commands: Commands) -> None:
    takes_json(command(commands, "version", "print the version", run))


async def run(arguments: argparse.Namespace) -> int:
    known = {"codara": installed(), "python": platform.python_version()}
    if arguments.json:
        print_json(known)
    else:
        print(f"codara {known['codara']} (Python {known['python']})")
    return 0


def installed() -> str:
    """The version that is installed; `unknown` when the package runs from bare sources."""
    try:
        return version_of("codara")
    except PackageNotFoundError:
        return "unknown"
