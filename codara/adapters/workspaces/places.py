"""The workspaces that are open: each one's store and stat cache, used by one thread at a time."""

import asyncio
import contextlib
import shutil
from collections import OrderedDict
from pathlib import Path

import attrs

from codara.adapters.workspaces import known
from codara.adapters.workspaces.known import Directory
from codara.adapters.workspaces.trees import TreeStore

_CACHE_FILE = "codara-known"
_SAVE_AFTER = 500
"""Up to this many files may have to be read again after a crash."""


@attrs.define(eq=False)
class KnownFolder:
    """Keeps one workspace's store, opened when it is first used.

    Only a worker thread may use it, or a caller that has seen that none is at work; `lock` alone
    is for everybody.
    """

    folder: Path
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    _store: TreeStore | None = None
    _known: Directory | None = None
    _unsaved: int = 0
    files: int = 0
    """How many files the stat cache holds, at some 80 bytes each."""

    def store(self) -> TreeStore:
        """Returns the object store, made if it is not there."""
        if self._store is None:
            self._store = TreeStore(self.folder)
            self._known = known.load(self.folder / _CACHE_FILE)
        return self._store

    @property
    def known(self) -> Directory | None:
        """What the last snapshot found; None before the first one."""
        return self._known

    def learn(self, found: Directory, *, files: int, read: int) -> None:
        """Keeps what a snapshot found, and saves it when losing it would cost time."""
        self.files = files
        if found is self._known:
            return
        self._known = found
        self._unsaved += read + 1
        if self._unsaved >= _SAVE_AFTER:
            self.save()

    def save(self) -> None:
        """Writes the stat cache if it holds anything new. Failing costs nothing but time."""
        if self._known is not None and self._unsaved:
            with contextlib.suppress(OSError):
                known.save(self._known, self.folder / _CACHE_FILE)
            self._unsaved = 0

    def forget(self) -> None:
        """The store cannot be trusted: the next snapshot reads everything."""
        self._store, self._known, self._unsaved = None, None, 0
        (self.folder / _CACHE_FILE).unlink(missing_ok=True)

    def remove(self) -> None:
        """Deletes the store with all its trees."""
        self._store, self._known, self._unsaved = None, None, 0
        shutil.rmtree(self.folder, ignore_errors=True)


class KnownFolders:
    """The most recently used places: up to a number of places and of files in all."""

    def __init__(self, trees: Path, *, most: int, most_files: int) -> None:
        self._trees = trees
        self._most = most
        self._most_files = most_files
        self._open: OrderedDict[str, KnownFolder] = OrderedDict()

    def of(self, workspace_id: str) -> KnownFolder:
        """Returns the workspace's place, now the most recently used one."""
        place = self._open.get(workspace_id)
        if place is None:
            place = self._open[workspace_id] = KnownFolder(self._trees / f"{workspace_id}.git")
        self._open.move_to_end(workspace_id)
        return place

    def surplus(self) -> list[KnownFolder]:
        """Takes out idle places, least recently used first, until there are not too many."""
        taken: list[KnownFolder] = []
        files = sum(place.files for place in self._open.values())
        for key, place in list(self._open.items()):
            if len(self._open) <= self._most and files <= self._most_files:
                break
            if not place.lock.locked():
                taken.append(self._open.pop(key))
                files -= place.files
        return taken

    def clear(self) -> list[KnownFolder]:
        """Takes out all of them."""
        places = list(self._open.values())
        self._open.clear()
        return places
