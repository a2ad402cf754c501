"""`codara user`: who may use the gateway."""

import argparse
from datetime import UTC, datetime
from typing import Any

from codara.cli.arguments import Commands, command, group, takes_json
from codara.cli.listing import ListCommands
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import Column, paint, print_json

_LISTING = ListCommands(
    kind="users",
    one="user",
    columns=(
        Column("user_id", "ID"),
        Column("email", "E-MAIL"),
        Column("display_name", "NAME"),
        Column("status", "STATUS"),
        Column("max_concurrency", "AT ONCE"),
        Column("created_at", "CREATED"),
    ),
    filters={"status": "status"},
)


def add(commands: Commands) -> None:
    own = group(commands, "user", "users and their keys")
    creating = takes_json(command(own, "create", "create a user with a first key", run_create))
    creating.add_argument("--email", required=True)
    creating.add_argument("--display-name", metavar="NAME")
    creating.add_argument("--key-label", metavar="LABEL")
    creating.add_argument("--key-expires-at", metavar="TIME", type=moment, help="ISO 8601")
    creating.add_argument("--max-concurrency", metavar="N", type=int, help="turns at the same time")
    _LISTING.add(own)


async def run_create(arguments: argparse.Namespace) -> int:
    async with reach(loaded(arguments)) as client:
        made = (await client.ask("POST", "/users", body=_wanted(arguments))).data
    if arguments.json:
        print_json(made)
        return 0
    print(f"user  {made['user_id']}")
    print(f"key   {paint(made['api_key']['raw_key'], 'bold')}   (shown this once)")
    return 0


def _wanted(arguments: argparse.Namespace) -> dict[str, Any]:
    expires: datetime | None = arguments.key_expires_at
    wanted = {
        "email": arguments.email,
        "display_name": arguments.display_name,
        "key_label": arguments.key_label,
        "key_expires_at": expires and expires.isoformat(),
        "max_concurrency": arguments.max_concurrency,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def moment(text: str) -> datetime:
    """Returns a time, of UTC where it names no zone."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
