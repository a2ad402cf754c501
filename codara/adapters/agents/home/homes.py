"""Private homes, one per workspace and runtime; what lies in them belongs to the agent.

An agent may have put anything into its home, links included: the gateway opens nothing there
through a path, only step by step below a directory that is known to be one.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codara.adapters.agents.home.inside import opened
from codara.adapters.agents.home.removal import removed
from codara.adapters.agents.home.steps import clear_for_a_file, entered, known
from codara.adapters.mending import MendLimits, mend

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MENDED = MendLimits(entries=20_000, depth=32, seconds=2.0)
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
        """Returns the home, made if it is missing, its owner's to use if it was not: mode 0700."""
        home = self.place(workspace_id, runtime)
        home.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with opened(home.parent) as above:
            os.close(entered(above, home.name, self._uid))
        return home

    def write(self, home: Path, relative: str, data: bytes) -> None:
        """Replaces one file of a home, atomically, mode 0600; folders on the way are made.

        What the agent put in the place of a folder or of the file is removed.
        """
        *folders, name = relative.split("/")
        with self._folder(home, folders) as folder:
            temporary = f".{name}.{secrets.token_hex(8)}"
            try:
                self._fill(os.open(temporary, _NEW_FILE, 0o600, dir_fd=folder), data)
                clear_for_a_file(folder, name)
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def link(self, home: Path, relative: str, target: Path) -> None:
        """Puts a link into a home in the place of whatever is there; see `write`."""
        *folders, name = relative.split("/")
        with self._folder(home, folders) as folder:
            removed(folder, name)
            os.symlink(target, name, dir_fd=folder)

    def strip(self, home: Path, decides: Iterable[str], keeps: Iterable[str]) -> None:
        """Makes a home fit for the next start, whatever an agent did to it.

        Removes the files and folders `decides`, and what is no folder on the way to one of them.
        Its owner may read, write and enter all that is in the folders `keeps`.
        """
        for path in decides:
            *folders, name = path.split("/")
            with suppress(FileNotFoundError), self._folder(home, folders, make=False) as folder:
                removed(folder, name)
        for path in keeps:
            with (
                suppress(FileNotFoundError),
                self._folder(home, path.split("/"), make=False) as folder,
            ):
                mend(folder, _MENDED)

    def sweep(self, home: Path, relative: str) -> None:
        """Removes the files in one folder of a home; harmless where there is no such folder.

        What else the agent put there or in the folder's place stays: it is the agent's.
        """
        with suppress(OSError), opened(home, *relative.split("/")) as folder:
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
        return entered(here, name, self._uid) if make else known(here, name)

    def _fill(self, file: int, data: bytes) -> None:
        with open(file, "wb") as stream:
            stream.write(data)
            if self._uid is not None:
                os.fchown(file, self._uid, self._uid)
