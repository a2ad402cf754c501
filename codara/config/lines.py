"""Finds the line of a key in a TOML file, which the parser does not tell."""

import re

_HEADER = re.compile(r"^\s*\[{1,2}\s*(?P<name>[^\[\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<name>[^=#\[\]]+?)\s*=")


def line_of(text: str, path: str) -> int | None:
    """The line (from 1) where ``block.key`` or the table ``block`` is written, if it is found."""
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
