"""`codara demo`: see it work, without anybody's account."""

import argparse
from collections.abc import Iterable

from codara.cli.arguments import Commands, chosen, command, port


def add(commands: Commands) -> None:
    """Offers the agents that the scripted model can speak to, which need not be all there are."""
    parser = command(commands, "demo", "two turns of a real agent with a scripted model", run)
    parser.add_argument("--port", type=port, default=0, help="port (default: a free one)")
    parser.add_argument("--once", action="store_true", help="end after the two turns")
    which = parser.add_argument("--provider", default="codex", help="which agent")
    chosen(which, _agents)


async def run(arguments: argparse.Namespace) -> int:
    from codara.demo.run import demo

    shown = await demo(port=arguments.port, once=arguments.once, provider=arguments.provider)
    return 0 if shown else 130


def _agents() -> Iterable[str]:
    from codara.demo.agents import AGENTS

    return AGENTS
