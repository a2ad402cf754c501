"""`codara trace`: what the turns of one trace did, and when."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from codara.cli.arguments import Commands, command, takes_id, takes_json
from codara.cli.loading import loaded
from codara.cli.reach import reach
from codara.cli.terminal import Column, print_fields, print_json, print_table

Span = Mapping[str, Any]

_COLUMNS = (
    Column("after", "AFTER"),
    Column("took", "TOOK"),
    Column("name", "SPAN"),
    Column("ending", "ENDED"),
    Column("what", "WHAT"),
)
_ENDINGS = {True: "ok", False: "failed", None: "unfinished"}


def add(commands: Commands) -> None:
    takes_id(takes_json(command(commands, "trace", "show what turns did when", run)), "trace")


async def run(arguments: argparse.Namespace) -> int:
    from codara.client.client import item

    async with reach(loaded(arguments)) as client:
        trace = (await client.ask("GET", item("traces", arguments.id))).data
    if arguments.json:
        print_json(trace)
    else:
        _print(trace)
    return 0


def _print(trace: Mapping[str, Any]) -> None:
    """A block for each turn: what it was, then a line for each thing that took time in it."""
    spans: Sequence[Span] = trace["spans"]
    for number, root in enumerate(span for span in spans if span["parent_span_id"] is None):
        if number:
            print()
        ended = {"start": root["start"], "end": root["end"]}
        print_fields({**root["attributes"], **ended})
        print()
        children = [span for span in spans if span["parent_span_id"] == root["span_id"]]
        rows = [_row(child, root) for child in children]
        print_table(rows, _COLUMNS, "Nothing is known of what it did.")
    if trace["turns_left_out"]:
        print(f"\n{trace['turns_left_out']} older turns are not shown.")


def _row(span: Span, root: Span) -> dict[str, str]:
    attributes = span["attributes"]
    return {
        "after": _seconds(root["start"], span["start"]),
        "took": _seconds(span["start"], span["end"]),
        "name": span["name"],
        "ending": _ENDINGS[attributes["ok"]] if "ok" in attributes else "",
        "what": _what(attributes),
    }


def _what(attributes: Mapping[str, Any]) -> str:
    if "title" in attributes:
        return f"{attributes['kind']}: {attributes['title']}"
    if "first_delta" in attributes:
        return f"first word after {attributes['first_delta'] / 1000:.3f} s"
    return str(attributes.get("reason", attributes.get("message", "")))


def _seconds(since: str, until: str) -> str:
    passed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return f"{passed.total_seconds():.3f} s"
