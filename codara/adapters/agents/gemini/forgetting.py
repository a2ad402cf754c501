"""What gemini keeps of its sessions, removed: records, and beside them what its tools put out."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from codara.adapters.agents.gemini.chats import SESSION_ID, all_records
from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.removal import removed

_CHATS = "chats"
_ENDINGS = (".jsonl", ".json")


def forget(home: Path, session_ids: Collection[str]) -> None:
    """Removes everything of these sessions; what is no session's id is passed over. Blocks."""
    ids = {each for each in session_ids if SESSION_ID.fullmatch(each)}
    with suppress(OSError), opened(home, ".gemini", "tmp") as projects:
        for name in _names(projects):
            with suppress(OSError), opened(name, above=projects) as project:
                _forget_in(project, ids)


def _forget_in(project: int, ids: set[str]) -> None:
    """A session of a sub-agent lies in a folder that bears the id of the session it served."""
    served: set[str] = set()
    with suppress(OSError), opened(_CHATS, above=project) as chats:
        for name, _ in list(all_records(chats, ids)):
            removed(chats, name)
        for each in _there(chats, ids):
            with suppress(OSError), opened(each, above=chats) as folder:
                served.update(_bare(_names(folder)))
            removed(chats, each)
    gone = ids | {each for each in served if SESSION_ID.fullmatch(each)}
    for each in _there(project, gone):
        removed(project, each)
    for place, ending in (("logs", ".jsonl"), ("tool-outputs", "")):
        with suppress(OSError), opened(place, above=project) as folder:
            for each in _there(folder, {f"session-{one}{ending}" for one in gone}):
                removed(folder, each)


def _there(folder: int, names: Collection[str]) -> list[str]:
    """Those names that are in a folder."""
    return [name for name in _names(folder) if name in names]


def _names(folder: int) -> list[str]:
    return os.listdir(folder)  # a path could lead elsewhere by now


def _bare(names: Iterable[str]) -> set[str]:
    """Names of records without their endings."""
    return {name.rpartition(".")[0] for name in names if name.endswith(_ENDINGS)}
