"""What in a workspace would keep an agent from starting, or have it start a program.

It is looked at without waiting for anything: what is no plain file is not opened. Blocks.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from codara.application.ports.agents import Outcome
from codara.errors import AgentFailed

CAUSE = "workspace_file"

READ_BY_ALL = (
    ".git",
    ".git/HEAD",
    ".git/config",
    ".gitignore",
    ".agents/skills/*/SKILL.md",
)
"""Files of a workspace that more than one CLI opens, or git, which each of them starts at once."""

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_NAMES = 1000
_ENTERED = 0o500
_SAID_OF = frozenset({"crashed", "protocol"})
_SETTINGS = re.compile(r"config|settings", re.IGNORECASE)
_REPAIR = "Repair the workspace: POST /v1/user/workspaces/{id}/repair."
_STREAMS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISSOCK: "a socket",
}
"""An agent that opens one of these waits for ever, or reads without end."""

Suspicion = Callable[[int], str | None]
"""Looks at an open folder; returns the relative path of what must not be there, with the reason."""


def look(workspace: Path, read: Iterable[str], suspects: Suspicion | None = None) -> None:
    """Raises AgentFailed, which names the file, if an agent should not be started in a workspace.

    `read` are the files that the CLI reads before it does anything, such as `AGENTS.md`; a ``/*/``
    in one stands for any folder.
    A workspace that is not there is somebody else's trouble.
    """
    with suppress(FileNotFoundError):
        place = os.open(workspace, _PLACE)
        try:
            found = _entered(place) or _streaming(place, read)
            found = found or (suspects(place) if suspects else None)
        finally:
            os.close(place)
        if found:
            raise AgentFailed(found, cause=CAUSE, retry_safe=False)


def named(workspace: Path, told: str) -> str | None:
    """Returns what a CLI tells, if it names a file of the workspace; its path is relative then."""
    path = re.escape(f"{workspace}/")
    if not re.search(rf"{path}[^\s/]", told):
        return None
    return re.sub(path, "", told)


def _entered(place: int) -> str | None:
    mode = stat.S_IMODE(os.fstat(place).st_mode)
    if mode & _ENTERED == _ENTERED:
        return None
    return f"The workspace's own folder may not be read by its owner (mode {mode:03o}). {_REPAIR}"


def _streaming(place: int, read: Iterable[str]) -> str | None:
    for name in (each for pattern in read for each in _matching(place, pattern)):
        try:
            mode = os.stat(name, dir_fd=place).st_mode
        except OSError:
            continue
        for is_one, what in _STREAMS.items():
            if is_one(mode):
                return f"{name} is {what}, which no agent can read to its end. Remove it."
    return None


def _matching(place: int, pattern: str) -> Iterator[str]:
    """The paths for a pattern: itself, or with each name of a folder in the place of its `*`."""
    folder, star, behind = pattern.partition("/*/")
    if not star:
        yield pattern
        return
    with suppress(OSError):
        opened = os.open(folder, _FOLDER, dir_fd=place)
        try:
            with os.scandir(opened) as entries:
                names = [each.name for each in islice(entries, _MOST_NAMES)]
        finally:
            os.close(opened)
        yield from (f"{folder}/{name}/{behind}" for name in names)


def judged(workspace: Path, outcome: Outcome) -> Outcome:
    """Returns the outcome with its true cause, where the CLI would not obey a file's settings."""
    if outcome.status != "failed" or outcome.cause not in _SAID_OF:
        return outcome
    told = named(workspace, outcome.message) if _SETTINGS.search(outcome.message) else None
    return outcome if told is None else kept_by(told)


def kept_by(told: str) -> Outcome:
    """Returns the outcome of a turn that a file of its workspace kept from starting."""
    return Outcome(
        status="failed",
        cause=CAUSE,
        message=told,
        told=f"A file of the workspace keeps the agent from starting. {told}",
    )
