"""`codara config`: the values that hold, and where each comes from."""

import argparse
from typing import TYPE_CHECKING, Any

from codara.cli.arguments import Commands, command, group, takes_json
from codara.cli.loading import loaded
from codara.cli.terminal import Column, print_json, print_table

if TYPE_CHECKING:
    from codara.config.load import Loaded

_COLUMNS = (
    Column("key", "KEY"),
    Column("value", "VALUE"),
    Column("source", "FROM"),
    Column("note", "NOTE"),
)


def add(commands: Commands) -> None:
    own = group(commands, "config", "show or check the configuration")
    takes_json(command(own, "show", "effective values and where each comes from", show))
    takes_json(command(own, "check", "read the configuration and say whether it is good", check))


def show(arguments: argparse.Namespace) -> int:
    from codara.config.shown import shown

    rows = shown(loaded(arguments))
    if arguments.json:
        print_json(rows)
    else:
        print_table([_readable(row) for row in rows], _COLUMNS, "")
    return 0


def check(arguments: argparse.Namespace) -> int:
    found = loaded(arguments)
    if arguments.json:
        about = {"file": _file(found), "data_dir": found.settings.server.data_dir}
        print_json({"ok": True, **about, "warnings": found.warnings})
    else:
        print(f"good: {_file(found) or 'no file, defaults and environment only'}")
        for warning in found.warnings:
            print(f"warning: {warning}")
    return 0


def _file(found: "Loaded") -> str | None:
    return str(found.path) if found.path else None


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    value = row["value"]
    return row | {"value": ", ".join(map(str, value)) or "-" if isinstance(value, list) else value}
