"""gemini's own records of its sessions, made ready for being loaded.

gemini empties a record that it loads in the minute in which it was made, as both then have the
same name; so a record gets the name of a long gone minute first. What lies in the home belongs to
the agent: nothing here follows a link.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from codara.adapters.agents.home.inside import FILE, opened
from codara.adapters.agents.session.lines import message_of

OLD = "2000-01-01T00-00"

SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT = 8
_HEAD_BYTES = 64 * 1024


def make_loadable(home: Path, session_id: str) -> bool:
    """Sees to it that `session/load` keeps the session; False if there is no record of it.

    The empty shadows that earlier loads left are removed. OSError where the folder takes no
    changes. Blocks.
    """
    if not SESSION_ID.fullmatch(session_id):
        return False
    found = False
    for _, folder in chat_folders(home):
        sizes = dict(_records(folder, session_id))
        if sizes:
            found = True
            _keep_largest(folder, session_id, sizes)
    return found


def record_of(folder: int, session_id: str) -> str | None:
    """Returns the file of a folder in which a session is, and not its shadow."""
    if not SESSION_ID.fullmatch(session_id):
        return None
    sizes = dict(_records(folder, session_id))
    return max(sizes, key=lambda name: sizes[name], default=None)


def aged(session_id: str) -> str:
    """Returns the name that a session's record has once it may be loaded."""
    return f"session-{OLD}-{session_id[:_SHORT]}.jsonl"


def chat_folders(home: Path) -> Iterator[tuple[str, int]]:
    """The folders of records in a home, each with the name of its project."""
    with suppress(OSError), opened(home, ".gemini", "tmp") as projects:
        for project in os.listdir(projects):  # noqa: PTH208 # a path could lead elsewhere by now
            with suppress(OSError), opened(project, "chats", above=projects) as chats:
                yield project, chats


def _keep_largest(folder: int, session_id: str, sizes: dict[str, int]) -> None:
    largest = max(sizes, key=lambda name: sizes[name])
    for shadow in sizes.keys() - {largest}:
        os.unlink(shadow, dir_fd=folder)
    if largest != aged(session_id):
        os.rename(largest, aged(session_id), src_dir_fd=folder, dst_dir_fd=folder)


def _records(folder: int, session_id: str) -> Iterator[tuple[str, int]]:
    """Names and sizes of the files whose first line says that they are this session's."""
    for name, _ in all_records(folder, (session_id,)):
        with suppress(OSError):
            yield name, os.stat(name, dir_fd=folder, follow_symlinks=False).st_size


def all_records(folder: int, session_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """The files of a folder that are one of these sessions' by name and first line, and whose."""
    shorts = {each[:_SHORT] for each in session_ids}
    for name in os.listdir(folder):  # a path could lead elsewhere by now
        if _short(name) in shorts:
            with suppress(OSError):
                session_id = (message_of(_first_line(folder, name)) or {}).get("sessionId")
                if isinstance(session_id, str) and session_id in session_ids:
                    yield name, session_id


def _short(name: str) -> str | None:
    """The part of a record's name that is of its session's id; None if it is no record's."""
    if not (name.startswith("session-") and name.endswith(".jsonl")):
        return None
    return name.removesuffix(".jsonl").rpartition("-")[2]


def _first_line(folder: int, name: str) -> bytes:
    file = os.open(name, FILE, dir_fd=folder)
    try:
        return os.read(file, _HEAD_BYTES).split(b"\n", 1)[0]
    finally:
        os.close(file)
