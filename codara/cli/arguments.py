"""Pieces of the command line that several commands share."""

import argparse
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

Handler = Callable[[argparse.Namespace], int | Coroutine[Any, Any, int]]
"""Carries a command out and gives the exit code."""

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = argparse._SubParsersAction


def with_config(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Takes ``--config`` here too, without forgetting one given further left."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=argparse.SUPPRESS,
        help="configuration file (default: ./codara.toml, else the user's)",
    )
    return parser


def command(commands: Commands, name: str, about: str, run: Handler) -> argparse.ArgumentParser:
    """Returns a command that is carried out by `run`."""
    parser = with_config(commands.add_parser(name, help=about, description=about))
    parser.set_defaults(run=run)
    return parser


def group(commands: Commands, name: str, about: str) -> Commands:
    """Returns a command that only has commands of its own."""
    parser = with_config(commands.add_parser(name, help=about, description=about))
    return parser.add_subparsers(dest=f"{name}_command", metavar="COMMAND", required=True)


def takes_json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def takes_id(parser: argparse.ArgumentParser, what: str) -> argparse.ArgumentParser:
    """Adds the id of the thing the command is about."""
    parser.add_argument("id", metavar="ID", help=f"id of the {what}")
    return parser


def chosen(option: argparse.Action, names: Callable[[], Iterable[str]]) -> None:
    """Lets an option take one of the `names`, which are not asked for before they are needed."""
    option.choices = _Names(names)


class _Names:
    """Names that are found out when somebody looks at them."""

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        self._find = find

    def __contains__(self, name: object) -> bool:
        return name in tuple(self._find())

    def __iter__(self) -> Iterator[str]:
        return iter(self._find())


def port(text: str) -> int:
    """Returns a port number; argparse turns the error into a usage message."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return number
