"""Files that come with a request: where they are put, and how the agent is told of them."""

import json
import re
from collections.abc import Iterable, Sequence

FOLDER = ".codara/uploads"
"""The folder below the workspace; no snapshot ever holds `.codara`."""

MOST = 32
"""The largest number of files in one request."""

LONGEST_NAME = 120

_ODD = re.compile(r"[^\w.()+@ -]+")


def safe_name(name: str) -> str:
    """Returns a plain file name: no folder, no odd character, no leading dot; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    plain = _ODD.sub("_", last).strip(" .")
    return _cut(plain) or "file"


def safe_names(names: Iterable[str]) -> tuple[str, ...]:
    """Returns a safe name for each; no two are equal, not even where letter case does not count."""
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
    """Returns the folder of a turn's files, relative to the workspace."""
    return f"{FOLDER}/{turn_id}"


def told(turn_id: str, names: Sequence[tuple[str, str]]) -> str:
    """Returns the line that tells the agent of the files: each by its name, and as it was sent."""
    listed = ", ".join(f"{folder_of(turn_id)}/{name}{_sent_as(name, sent)}" for name, sent in names)
    return f"Files uploaded with this message: {listed}"


def _sent_as(name: str, sent: str) -> str:
    """Returns what to add where the file was sent under another name; a JSON string names that."""
    if name == sent:
        return ""
    shown = json.dumps(sent[:LONGEST_NAME], ensure_ascii=False)
    return f" (sent as {shown.encode(errors='backslashreplace').decode()})"


def _cut(name: str) -> str:
    """Returns at most LONGEST_NAME bytes of the name; the file's ending is kept."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}" if dot and len(ending.encode()) <= 16 else ""
    room = LONGEST_NAME - len(kept.encode())
    start = (stem if kept else name).encode()[:room].decode(errors="ignore")
    return start + kept
