"""Workspaces on this machine's disk: their folders, what is in them, and what changed."""

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

import pygit2

from codara.adapters.mending import MendLimits, mend
from codara.adapters.workspaces import bigdiff, diff, glance, staging
from codara.adapters.workspaces.known import NOTHING, Directory
from codara.adapters.workspaces.places import KnownFolder, KnownFolders
from codara.adapters.workspaces.safezone import SafeZone
from codara.adapters.workspaces.trees import EMPTY_TREE, TreeStore, shield_from_host_config
from codara.adapters.workspaces.walker import Walk, WalkLimits, WalkStopped
from codara.application.ports.workspaces import MISSING, Diff, Repair, Snapshot, Upload
from codara.errors import ShuttingDown, StorageFull

_T = TypeVar("_T")
_STOPPING = "The gateway is stopping."
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


class Folders:
    """`<root>/<user id>/<label>`, and for each a store of trees in `<trees>/<workspace id>.git`.

    Satisfies `ports.Workspaces`. All work but a glance at a small workspace is done in `workers`
    threads; of one workspace, one thing at a time. At most `open_stores` workspaces, of
    `cached_files` files together, keep their stat cache in memory, the others on disk. A caller
    who is cancelled leaves at once, and the work stops soon after.
    """

    def __init__(
        self,
        root: Path,
        trees: Path,
        *,
        limits: WalkLimits | None = None,
        owner: tuple[int, int] | None = None,
        workers: int = 4,
        open_stores: int = 64,
        cached_files: int = 400_000,
    ) -> None:
        shield_from_host_config()
        self._zone = SafeZone(root.absolute(), owner)
        self._trees = trees
        self._limits = limits or WalkLimits()
        self._at_a_glance = glance.bounds(self._limits)
        self._places = KnownFolders(trees, most=open_stores, most_files=cached_files)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="workspaces")
        self._running: set[Event] = set()
        self._closed = False

    def folder(self, user_id: str, label: str) -> Path:
        """Returns where a workspace of that label is, whether it exists or not."""
        return self._zone.folder(user_id, label)

    async def provision(self, workspace_id: str, folder: Path) -> None:
        """Makes the folder, owned by whom the agents run as, and the store. Twice is harmless.

        WorkspaceAccessDenied for a folder that is not two steps below the root.
        """
        await self._run(workspace_id, partial(self._provision, folder))

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        """Writes the folder's present tree to the store.

        Never raises for the folder's contents; `partial` holds any of missing, unreadable, depth,
        max_files, max_bytes, time. WorkspaceAccessDenied as for `provision`; StorageFull.
        """
        if (same := self._glanced_at(workspace_id, folder)) is not None:
            return same
        return await self._run(workspace_id, partial(self._snapshot, folder))

    async def diff(self, workspace_id: str, base: str, final: str) -> Diff:
        """Returns what changed between two trees.

        Never raises for what the store holds: a diff that nobody can tell any more, because one of
        the trees is lost, is empty and truncated, and the next snapshot reads everything. Where
        looking into the files takes longer than a snapshot may, only their paths and
        statuses are told, and the patch is empty and truncated.
        """
        return await self._run(workspace_id, partial(self._diff, base, final))

    async def repair(self, workspace_id: str, folder: Path) -> Repair:
        """Gives the folder's owner back what a `chmod` took, as far as a snapshot would look.

        WorkspaceAccessDenied as for `provision`.
        """
        return await self._run(workspace_id, partial(self._repair, folder))

    async def stage(
        self, workspace_id: str, folder: Path, below: str, files: Sequence[Upload]
    ) -> None:
        """Puts files into `folder`/`below`, which is emptied first; the agents own all of it.

        No link is followed. WorkspaceAccessDenied where something else is in the way, where the
        agents' own doing forbids it, or where the folder is gone; StorageFull.
        """
        await self._run(workspace_id, partial(self._stage, folder, below, files))

    async def unstage(self, workspace_id: str, folder: Path, below: str) -> None:
        """Removes `folder`/`below`, and what is above it and empty; harmless if it is not there."""
        await self._run(workspace_id, partial(self._unstage, folder, below))

    async def remove(self, workspace_id: str) -> None:
        """Deletes the workspace's trees, not its folder."""
        await self._run(workspace_id, lambda place, _: place.remove())

    async def close(self) -> None:
        """Stops what is running, keeps the stat caches for the next start and ends the threads."""
        self._closed = True
        for stop in self._running:
            stop.set()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        await asyncio.to_thread(_save, self._places.clear())

    async def _run(self, workspace_id: str, work: Callable[[KnownFolder, Event], _T]) -> _T:
        """Does `work` in a thread, alone with the workspace, whose lock is held until its end."""
        place = self._places.of(workspace_id)
        await place.lock.acquire()
        if self._closed:
            place.lock.release()
            raise ShuttingDown(_STOPPING)
        stop = Event()
        self._running.add(stop)
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, place, stop)
        future.add_done_callback(partial(self._ended, place, stop))
        try:
            return await asyncio.shield(future)
        except WalkStopped as stopped:
            raise ShuttingDown(_STOPPING) from stopped
        except asyncio.CancelledError:
            stop.set()
            raise

    def _ended(self, place: KnownFolder, stop: Event, future: "asyncio.Future[_T]") -> None:
        self._running.discard(stop)
        place.lock.release()
        future.exception()
        surplus = self._places.surplus()
        if surplus and not self._closed:
            self._pool.submit(_save, surplus)

    def _provision(self, folder: Path, place: KnownFolder, stop: Event) -> None:
        self._zone.make(folder)
        self._trees.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.store()

    def _repair(self, folder: Path, place: KnownFolder, stop: Event) -> Repair:
        limits = MendLimits(
            entries=self._limits.max_files,
            depth=self._limits.depth,
            seconds=self._limits.seconds,
        )
        try:
            root = self._zone.place(folder)
        except FileNotFoundError:
            self._provision(folder, place, stop)
            return Repair(folders=1, files=0)
        with _closing(root):
            done = mend(root, limits, stop)
        return Repair(folders=done.folders, files=done.files, left=done.left, partial=done.partial)

    def _stage(
        self, folder: Path, below: str, files: Sequence[Upload], place: KnownFolder, stop: Event
    ) -> None:
        try:
            with _closing(self._zone.open(folder)) as root:
                staging.stage(root, below, files, self._zone.owner)
        except OSError as error:
            known = staging.named(error, below)
            if known is None:
                raise
            raise known from error

    def _unstage(self, folder: Path, below: str, place: KnownFolder, stop: Event) -> None:
        with contextlib.suppress(FileNotFoundError), _closing(self._zone.open(folder)) as root:
            staging.remove(root, below)

    def _glanced_at(self, workspace_id: str, folder: Path) -> Snapshot | None:
        """A small workspace in which nothing has changed is looked at here and now."""
        place = self._places.of(workspace_id)
        known = place.known
        if self._closed or place.lock.locked() or known is None or place.files > glance.MOST_FILES:
            return None
        try:
            walk = glance.unchanged(self._zone.open(folder), known, self._at_a_glance)
        except OSError:
            return None
        return None if walk is None else _found(known, walk)

    def _snapshot(self, folder: Path, place: KnownFolder, stop: Event) -> Snapshot:
        try:
            root = self._zone.open(folder)
        except FileNotFoundError:
            return Snapshot(tree=EMPTY_TREE, files=0, bytes=0, partial=(MISSING,))
        except PermissionError:
            return Snapshot(tree=EMPTY_TREE, files=0, bytes=0, partial=("unreadable",))
        store = place.store()
        walk = Walk(store, self._limits, stop)
        try:
            found = walk.take(root, place.known)
            store.flush()
        except OSError as error:
            store.abandon()
            if error.errno in _NO_ROOM:
                raise StorageFull("There is no room for the workspace's trees.") from error
            raise
        except BaseException:
            store.abandon()
            raise
        place.learn(found, files=walk.files, read=walk.read)
        return _found(found, walk)

    def _diff(self, base: str, final: str, place: KnownFolder, stop: Event) -> Diff:
        store = place.store()
        try:
            return self._compared(store, place.folder, base, final, stop)
        except (KeyError, ValueError, pygit2.GitError):
            place.forget()
            return Diff(files=(), patch="", truncated=True)

    def _compared(self, store: TreeStore, folder: Path, base: str, final: str, stop: Event) -> Diff:
        most = self._limits.max_diff_bytes
        old, new = bytes.fromhex(base), bytes.fromhex(final)
        if diff.is_small(store, old, new):
            return diff.between(store, base, final, most)
        seconds = self._limits.seconds
        found = bigdiff.in_process(folder, base, final, most=most, seconds=seconds, stop=stop)
        return found or diff.plain(store, old, new)


def _found(root: Directory, walk: Walk) -> Snapshot:
    tree = EMPTY_TREE if root.tree == NOTHING else root.tree.hex()
    return Snapshot(tree=tree, files=walk.files, bytes=walk.bytes, partial=tuple(walk.partial))


def _save(places: list[KnownFolder]) -> None:
    for place in places:
        place.save()


@contextlib.contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
