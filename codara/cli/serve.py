"""`codara serve`: the gateway, until it is told to stop."""

import argparse
import sys
from typing import TYPE_CHECKING

from codara.cli.arguments import Commands, command, port
from codara.cli.loading import loaded
from codara.cli.terminal import paint

if TYPE_CHECKING:
    from codara.bootstrap.serving import ServedGateway


def add(commands: Commands) -> None:
    parser = command(commands, "serve", "run the gateway", run)
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=port, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--i-accept-unjailed",
        action="store_true",
        help="together with jail.mode = unsafe: let agents run without a jail",
    )
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="go on with an older events.db or keys.db of this installation; see its restore page",
    )


async def run(arguments: argparse.Namespace) -> int:
    from codara.bootstrap.serving import serve

    found = loaded(arguments)
    for warning in found.warnings:
        print(f"codara: warning: {warning}", file=sys.stderr)
    await serve(
        found,
        accept_unjailed=arguments.i_accept_unjailed,
        accept_loss=arguments.accept_loss,
        on_ready=announce,
    )
    print("codara: stopped", file=sys.stderr)
    return 0


def announce(running: "ServedGateway") -> None:
    """Says where the gateway is and what it keeps."""
    print(f"Codara listens on {paint(running.address, 'bold')}")
    print(f"  data   {running.data_dir}")
    print(f"  jail   {running.jail}")
    if running.new_passkey:
        print(f"  operator passkey, shown this once: {paint(running.new_passkey, 'bold')}")
        print(f"  (kept in {running.passkey_file})")
        running.passkey_told()
    sys.stdout.flush()
