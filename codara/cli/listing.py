"""The `list` and `show` that every group of things has."""

import argparse
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from codara.cli.arguments import Commands, command, takes_id, takes_json
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import Column, print_fields, print_json, print_table


class ListCommands(NamedTuple):
    """How things of one kind are listed.

    `filters` maps an option to the field it asks for, `all_of` says what `--all` shows besides.
    """

    kind: str
    one: str
    columns: Sequence[Column]
    filters: Mapping[str, str] = MappingProxyType({})
    all_of: str = ""

    def add(self, commands: Commands) -> None:
        """Adds `list` and `show`."""
        listing = takes_json(
            command(commands, "list", f"list {self.kind}, newest first", self.list)
        )
        listing.add_argument("--limit", type=_count, default=50, help="at most this number (50)")
        for option in self.filters:
            listing.add_argument(f"--{option}", metavar=option.upper())
        if self.all_of:
            listing.add_argument("--all", action="store_true", help=self.all_of)
        takes_id(takes_json(command(commands, "show", f"show one {self.one}", self.show)), self.one)

    async def list(self, arguments: argparse.Namespace) -> int:
        from codara.client.client import listed

        asked = {field: getattr(arguments, option) for option, field in self.filters.items()}
        filters = {field: value for field, value in asked.items() if value is not None}
        if self.all_of and arguments.all:
            filters["all"] = "true"
        async with reach(loaded(arguments)) as client:
            rows = await listed(client, f"/{self.kind}", arguments.limit, filters)
        if arguments.json:
            print_json(rows)
        else:
            print_table(rows, self.columns, f"There are no {self.kind}.")
        return 0

    async def show(self, arguments: argparse.Namespace) -> int:
        from codara.client.client import item

        async with reach(loaded(arguments)) as client:
            row = (await client.ask("GET", item(self.kind, arguments.id))).data
        if arguments.json:
            print_json(row)
        else:
            print_fields(row)
        return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
