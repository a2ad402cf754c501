"""`codara demo`: see it work, without anybody's account."""

import argparse
import sys

from codara.cli.arguments import Commands, command, port
from codara.config.providers import PROVIDERS

READY = ("codex",)


def add(commands: Commands) -> None:
    parser = command(commands, "demo", "two turns of a real agent with a scripted model", run)
    parser.add_argument("--port", type=port, default=0, help="port (default: a free one)")
    parser.add_argument("--once", action="store_true", help="end after the two turns")
    parser.add_argument("--provider", choices=PROVIDERS, default="codex", help="which agent")


async def run(arguments: argparse.Namespace) -> int:
    if arguments.provider not in READY:
        print(
            f"codara: the demo of {arguments.provider} is not in this version; "
            f"there is {', '.join(READY)}",
            file=sys.stderr,
        )
        return 2
    from codara.demo.run import demo

    return 0 if await demo(port=arguments.port, once=arguments.once) else 130
