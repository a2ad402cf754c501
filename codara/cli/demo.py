"""`codara demo`: see it work, without an account of anybody."""

import argparse

from codara.cli.arguments import Commands, command, port
from codara.config.providers import PROVIDERS
from codara.errors import CodaraError


class NotInThisVersion(SystemExit):
    """Wrong usage, said in one line."""


def add(commands: Commands) -> None:
    parser = command(commands, "demo", "two turns of a real agent with a scripted model", run)
    parser.add_argument("--port", type=port, default=0, help="port (default: a free one)")
    parser.add_argument("--once", action="store_true", help="end after the two turns")
    parser.add_argument("--provider", choices=PROVIDERS, default="codex", help="which agent")
