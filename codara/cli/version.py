"""`codara version`."""

import argparse
import platform

from codara.cli.arguments import Commands, command, takes_json
from codara.cli.terminal import print_json


def add(commands: Commands) -> None:
    takes_json(command(commands, "version", "print the version", run))


def run(arguments: argparse.Namespace) -> int:
    from codara.version import installed

    known = {"codara": installed(), "python": platform.python_version()}
    if arguments.json:
        print_json(known)
    else:
        print(f"codara {known['codara']} (Python {known['python']})")
    return 0
