"""Files that come with a request: where they lie, and how the agent hears of them."""

import re
from collections.abc import Iterable, Sequence

FOLDER = ".codara/uploads"
"""Below the workspace; no snapshot ever holds `.codara`."""

MOST = 32
"""How many files may come with one request."""

LONGEST_NAME = 120

_ODD = re.compile(r"[^\w.()+@ -]+")


def safe_name(name: str) -> str:
    """A plain file name: no folder, no control or odd character, no leading dot; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    plain = _ODD.sub("_", last).strip(" .")
    return _cut(plain) or "file"


def safe_names(names: Iterable[str]) -> tuple[str, ...]:
    """A safe name for each, no two of them the same however a file system sees letters."""
    taken: set[str] = set()
    found: list[str] = []
    for name in map(safe_name, names):
        free, number = name, 1
        while free.casefold() in taken:
            number += 1
            stem, dot, ending = name.rpartition(".")
            free = f"{stem}-{number}.{ending}" if dot and stem else f"{name}-{number}"
        taken.add(free.casefold())
        found.append(free)
    return tuple(found)


def folder_of(turn_id: str) -> str:
    """Where a turn's files are, relative to the workspace."""
    return f"{FOLDER}/{turn_id}"


def told(turn_id: str, names: Sequence[str]) -> str:
    """The line by which the agent hears of the files."""
    listed = ", ".join(f"{folder_of(turn_id)}/{name}" for name in names)
    return f"Files uploaded with this message: {listed}"


def _cut(name: str) -> str:
    """At most LONGEST_NAME bytes, the ending kept."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}" if dot and len(ending.encode()) <= 16 else ""
    room = LONGEST_NAME - len(kept.encode())
    start = (stem if kept else name).encode()[:room].decode(errors="ignore")
    return start + kept
