"""Printing for people and for programs: tables in which ids are never cut, JSON, colours."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TextIO

WIDEST_CELL = 60
_COLOURS = {"good": "32", "soon": "33", "bad": "31", "faint": "2", "bold": "1"}
_MEANING = {
    "ready": "good",
    "active": "good",
    "completed": "good",
    "ok": "good",
    "running": "soon",
    "pending": "soon",
    "cooldown": "soon",
    "warn": "soon",
    "dirty": "bad",
    "failed": "bad",
    "error": "bad",
    "fail": "bad",
    "expired": "bad",
    "exhausted": "bad",
    "suspended": "bad",
}


class Column(NamedTuple):
    """A column of a table: the key of the row's value, and its heading."""

    key: str
    heading: str

    @property
    def whole(self) -> bool:
        """Whether its cells are never cut: ids are there to be copied."""
        return self.key.endswith(("_id", "ids")) or self.key == "id"


def coloured(stream: TextIO) -> bool:
    """Says whether colours may be written there: a terminal, and nobody said NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Returns the text in one of our colours, or as it is on a stream without colours."""
    if not coloured(stream or sys.stdout):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], none: str) -> None:
    """A table, or the sentence `none` where there are no rows."""
    if not rows:
        print(none)
        return
    for line in table(rows, columns):
        print(line)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[str]:
    """Returns the lines of a table: a heading, then a line per row."""
    cells = [[cell(row.get(column.key), column.whole) for column in columns] for row in rows]
    headings = [column.heading for column in columns]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    padded = [
        [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        for line in [headings, *cells]
    ]
    lines = [[paint(text, "bold") for text in padded[0]]]
    lines += [[_painted(text) for text in line] for line in padded[1:]]
    return ["  ".join(line).rstrip() for line in lines]


def print_fields(row: Mapping[str, Any]) -> None:
    """One thing, a field a line; texts of several lines come last, each under its name."""
    long = {key: value for key, value in row.items() if isinstance(value, str) and "\n" in value}
    short = {key: value for key, value in row.items() if key not in long}
    width = max(map(len, short), default=0)
    for key, value in short.items():
        print(f"{paint(key.ljust(width), 'faint')}  {cell(value, whole=True)}".rstrip())
    for key, value in long.items():
        print(f"\n{paint(key, 'faint')}\n{value.rstrip()}")


def cell(value: Any, whole: bool = False) -> str:
    """Returns a value as one line of text, cut at 60 characters unless it must stay `whole`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if whole or len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"


def _painted(text: str) -> str:
    colour = _MEANING.get(text.strip())
    return paint(text, colour) if colour else text
