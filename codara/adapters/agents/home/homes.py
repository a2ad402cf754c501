"""Private homes, one per workspace and runtime; what lies in them belongs to the agent.

An agent may have put anything into its home, links included: the gateway opens nothing there
through a path, only step by step below a directory that is known to be one.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.removal import removed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Homes:
    """The folder `homes/`. Every method blocks: call it in a thread.

    `uid` is whom the agents run as; None leaves ownership alone.
    """

    def __init__(self, root: Path, uid: int | None = None) -> None:
        self._root = root
        self._uid = uid

    def place(self, workspace_id: str, runtime: str) -> Path:
        """Returns where the home is, or would be."""
        return self._root / workspace_id / runtime

    def ensure(self, workspace_id: str, runtime: str) -> Path:
        """Returns the home, made if it is missing: mode 0700, the agents' own."""
        home = self.place(workspace_id, runtime)
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not home.is_dir():
            home.mkdir(mode=0o700)
            self._give(home)
        return home

    def write(self, home: Path, relative: str, data: bytes) -> None:
        """Replaces one file of a home, atomically, mode 0600; folders on the way are made.

        Raises OSError where the agent put something else in a folder's place.
        """
        *folders, name = relative.split("/")
        with self._folder(home, folders) as folder:
            temporary = f".{name}.{secrets.token_hex(8)}"
            try:
                self._fill(os.open(temporary, _NEW_FILE, 0o600, dir_fd=folder), data)
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def sweep(self, home: Path, relative: str) -> None:
        """Removes the files in one folder of a home; harmless where there is no such folder.

        What else the agent put there or in the folder's place stays: it is the agent's.
        """
        with suppress(OSError), self._folder(home, relative.split("/"), make=False) as folder:
            for each in list(os.scandir(folder)):
                with suppress(OSError):
                    os.unlink(each.name, dir_fd=folder)

    def remember(self, workspace_id: str, runtime: str, notes: Mapping[str, Any]) -> None:
        """Keeps the gateway's own notes on a home, beside it and out of the agent's reach."""
        path = self._notes(workspace_id, runtime)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(notes), encoding="utf-8")
        temporary.replace(path)

    def recall(self, workspace_id: str, runtime: str) -> dict[str, Any]:
        """Returns the notes kept last; empty without notes."""
        try:
            found = json.loads(self._notes(workspace_id, runtime).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remove(self, workspace_id: str) -> None:
        """Removes all homes of a workspace, with the notes on them; does nothing without homes.

        No agent may be in them. What cannot be removed stays.
        """
        with suppress(OSError), opened(self._root.resolve()) as root:
            removed(root, workspace_id)

    def remove_one(self, workspace_id: str, runtime: str) -> None:
        """Removes one home of a workspace and keeps its notes; harmless if there is no home."""
        with suppress(OSError), opened(self._root.resolve(), workspace_id) as homes:
            removed(homes, runtime)

    def _notes(self, workspace_id: str, runtime: str) -> Path:
        return self._root / workspace_id / f"{runtime}.json"

    @contextmanager
    def _folder(self, home: Path, folders: list[str], *, make: bool = True) -> Iterator[int]:
        here = os.open(home, _DIRECTORY)
        try:
            for name in folders:
                below = self._step(here, name, make=make)
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    def _step(self, here: int, name: str, *, make: bool) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
            os.mkdir(name, 0o700, dir_fd=here)
            below = os.open(name, _DIRECTORY, dir_fd=here)
            if self._uid is not None:
                os.fchown(below, self._uid, self._uid)
            return below

    def _fill(self, file: int, data: bytes) -> None:
        with open(file, "wb") as stream:
            stream.write(data)
            if self._uid is not None:
                os.fchown(file, self._uid, self._uid)

    def _give(self, home: Path) -> None:
        if self._uid is not None:
            os.chown(home, self._uid, self._uid, follow_symlinks=False)
