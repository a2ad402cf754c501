"""`codara account`: the pool's accounts."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from codara.cli.arguments import Commands, chosen, command, group, takes_json
from codara.cli.listing import ListCommands
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import Column, print_fields, print_json
from codara.errors import InvalidRequest

if TYPE_CHECKING:
    from codara.config.load import Loaded

_LISTING = ListCommands(
    kind="accounts",
    one="account",
    columns=(
        Column("account_id", "ID"),
        Column("provider", "PROVIDER"),
        Column("auth_type", "AUTH"),
        Column("status", "STATUS"),
        Column("until", "UNTIL"),
        Column("label", "LABEL"),
        Column("last_used_at", "LAST USED"),
    ),
    filters={"provider": "provider", "status": "status"},
)


def add(commands: Commands) -> None:
    own = group(commands, "account", "accounts that agents work on")
    adding = takes_json(command(own, "add", "add an account, or store its new credential", run_add))
    adding.add_argument("--id", required=True, help="a name for it: letters, digits, . _ -")
    chosen(adding.add_argument("--provider", required=True), _providers)
    adding.add_argument("--auth-type", default="API_KEY", choices=["API_KEY", "OAUTH_SESSION"])
    adding.add_argument("--label", default="", help="what people call it")
    adding.add_argument(
        "--credential-file",
        metavar="FILE",
        help="file that holds the credential, - for standard input; without it, a login is read"
        " from the provider's auth_path",
    )
    adding.set_defaults(wrong_usage=adding.error)
    _LISTING.add(own)


async def run_add(arguments: argparse.Namespace) -> int:
    import asyncio

    found = loaded(arguments)
    source = arguments.credential_file or _login_file(arguments, found)
    new = {
        "account_id": arguments.id,
        "provider": arguments.provider,
        "auth_type": arguments.auth_type,
        "label": arguments.label,
        "credential_text": await asyncio.to_thread(credential, source),
    }
    async with reach(found) as client:
        row = (await client.ask("POST", "/accounts/upload", body=new)).data
    if arguments.json:
        print_json(row)
    else:
        print_fields(row)
    return 0


def _providers() -> Iterable[str]:
    from codara.runtimes import PROVIDERS

    return PROVIDERS


def _login_file(arguments: argparse.Namespace, found: "Loaded") -> str:
    """The login that the settings name; without one, leaving the file out is wrong usage."""
    provider = arguments.provider
    path = found.settings.providers.named(provider).auth_path
    if arguments.auth_type != "OAUTH_SESSION":
        arguments.wrong_usage("--credential-file is missing: the file that holds the key, or -")
    if path is None:
        arguments.wrong_usage(
            f"--credential-file is missing, and providers.{provider}.auth_path names no login"
        )
    return str(path)


def credential(source: str) -> str:
    """Reads the text of a file, or of standard input for ``-``; InvalidRequest if it is no text."""
    from codara.domain.credential import LARGEST

    try:
        if source == "-":
            secret = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(source).open("rb") as file:
                secret = file.read(LARGEST + 1)
    except OSError as broken:
        raise InvalidRequest(f"{source}: {broken.strerror or broken}") from broken
    if not secret.strip():
        raise InvalidRequest(f"{source}: the credential is empty")
    if len(secret) > LARGEST:
        raise InvalidRequest(f"{source}: the credential is larger than {LARGEST // 1024} KiB")
    try:
        return secret.decode()
    except UnicodeDecodeError as broken:
        raise InvalidRequest(f"{source}: the credential is not UTF-8 text") from broken
