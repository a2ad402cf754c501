"""gemini's own records of its sessions, made ready for being loaded.

gemini empties a record that it loads in the minute in which it was made, as both then have the
same name; so a record gets the name of a long gone minute first. What lies in the home belongs to
the agent: nothing here follows a link.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from codara.adapters.agents.inside import FILE, opened
from codara.adapters.agents.lines import message_of

OLD = "2000-01-01T00-00"

_SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHORT = 8
_HEAD_BYTES = 64 * 1024


def make_loadable(home: Path, session_id: str) -> bool:
    """Sees to it that `session/load` keeps the session; False if there is no record of it.

    The empty shadows that earlier loads left are removed. OSError where the folder takes no
    changes. Blocks.
    """
    if not _SESSION_ID.fullmatch(session_id):
        return False
    found = False
    for _, folder in chat_folders(home):
        sizes = dict(_records(folder, session_id))
        if sizes:
            found = True
            _keep_largest(folder, session_id, sizes)
    return found


def record_of(folder: int, session_id: str) -> str | None:
    """The file of a folder in which a session is, and not its shadow."""
    if not _SESSION_ID.fullmatch(session_id):
        return None
    sizes = dict(_records(folder, session_id))
    return max(sizes, key=lambda name: sizes[name], default=None)


def aged(session_id: str) -> str:
    """The name that a session's record has once it may be loaded."""
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
    for name in os.listdir(folder):  # a path could lead elsewhere by now
        if name.startswith("session-") and name.endswith(f"-{session_id[:_SHORT]}.jsonl"):
            with suppress(OSError):
                file = os.open(name, FILE, dir_fd=folder)
                try:
                    head = os.read(file, _HEAD_BYTES).split(b"\n", 1)[0]
                    size = os.fstat(file).st_size
                finally:
                    os.close(file)
                if (message_of(head) or {}).get("sessionId") == session_id:
                    yield name, size
