"""What claude keeps of its threads, removed. It lies in files that bear the thread's id."""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from codara.adapters.agents.claude.config import CONFIG_FOLDER
from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.removal import removed

_PROJECTS = "projects"
_BESIDE = ("debug", "file-history", "session-env", "tasks", "todos")
"""Folders of what else a thread leaves: `<id>`, `<id>.txt`, `<id>-agent-<id>.json`."""
_ID_LENGTH = 36
_THREAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENDS = ("", ".", "-")


def forget(home: Path, thread_ids: Collection[str]) -> None:
    """Removes everything of these threads; what is no thread's id is passed over. Blocks."""
    ids = frozenset(each for each in thread_ids if _THREAD_ID.fullmatch(each))
    with suppress(OSError), opened(home, CONFIG_FOLDER, _PROJECTS) as projects:
        for project in os.listdir(projects):  # noqa: PTH208 # a path could lead elsewhere by now
            with suppress(OSError), opened(project, above=projects) as folder:
                _remove_of(folder, ids)
    for name in _BESIDE:
        with suppress(OSError), opened(home, CONFIG_FOLDER, name) as folder:
            _remove_of(folder, ids)


def _remove_of(folder: int, ids: Collection[str]) -> None:
    """Removes the entries whose names begin with one of these ids."""
    for name in os.listdir(folder):  # a path could lead elsewhere by now
        if name[:_ID_LENGTH] in ids and name[_ID_LENGTH : _ID_LENGTH + 1] in _ENDS:
            removed(folder, name)
