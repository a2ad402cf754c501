"""Finds the line of a key in a TOML file; the parser does not tell it."""

import re

_HEADER = re.compile(r"^\s*\[{1,2}\s*(?P<name>[^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<name>[^=#\[\]]+?)\s*=")


def line_of(text: str, path: str) -> int | None:
    """Returns the line (from 1) of ``block.key`` or of the table ``block``; None if not found."""
    block = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            block = _plain(header["name"])
            if block == path or block.startswith(f"{path}."):
                return number
        elif key := _KEY.match(line):
            name = _plain(key["name"])
            if (f"{block}.{name}" if block else name) == path:
                return number
    return None


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
