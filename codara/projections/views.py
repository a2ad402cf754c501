"""All read models together: opened, kept up with the log, asked, closed."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from codara.clock import Clock, utc_now
from codara.events.store.follower import FollowerStanding
from codara.projections.accounts import AccountQueries, AccountsProjection
from codara.projections.audit import Audit, AuditProjection
from codara.projections.engine import manifest
from codara.projections.engine.base import Projection, ReadableLog
from codara.projections.engine.queries import Reader
from codara.projections.engine.rebuild import Progress, rebuild
from codara.projections.engine.runner import Runner
from codara.projections.engine.store import Store
from codara.projections.points import PointQueries, PointsProjection
from codara.projections.sessions import SessionQueries, SessionsProjection
from codara.projections.tasks import Tasks, TasksProjection
from codara.projections.threads import Threads, ThreadsProjection
from codara.projections.traces import Traces
from codara.projections.unfinished import UnfinishedProjection, UnfinishedQueries
from codara.projections.users import UserQueries, UsersProjection
from codara.projections.workspaces import WorkspaceQueries, WorkspacesProjection

PROJECTIONS: tuple[Projection, ...] = (
    SessionsProjection(),
    TasksProjection(),
    WorkspacesProjection(),
    AccountsProjection(),
    UsersProjection(),
    AuditProjection(),
    UnfinishedProjection(),
    PointsProjection(),
    ThreadsProjection(),
)

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Views:
    """The read models of one log, in one folder that may be deleted while nobody has it open.

    A file that is missing, damaged, of another version or schema, or that was folded from other
    events than the log now holds, is thrown away when opening, and folded again by `start`.
    """

    def __init__(
        self,
        folder: Path,
        log: ReadableLog,
        stores: Sequence[Store],
        readers: dict[str, Reader],
        *,
        thread: ThreadPoolExecutor,
        clock: Clock,
    ) -> None:
        """For `open` alone."""
        self._folder = folder
        self._log = log
        self._stores = {store.projection.name: store for store in stores}
        self._readers = readers
        self._thread = thread
        self._runner = Runner(log, stores, thread, on_folded=self._remember_accounts)
        self._remembering: asyncio.Task[None] | None = None
        self._one_rebuild = asyncio.Lock()
        self._closed = False
        self.sessions = SessionQueries(readers["sessions"], log, clock)
        self.tasks = Tasks(readers["tasks"], log)
        self.traces = Traces(readers["tasks"], log)
        self.workspaces = WorkspaceQueries(readers["workspaces"], log, clock)
        self.accounts = AccountQueries(readers["accounts"], log, clock, self._runner.folded)
        self.users = UserQueries(readers["users"], log, clock)
        self.audit = Audit(readers["audit"])
        self.unfinished = UnfinishedQueries(readers["unfinished"])
        self.points = PointQueries(readers["points"], clock)
        self.threads = Threads(readers["threads"], clock)

    @classmethod
    async def open(
        cls,
        folder: Path,
        log: ReadableLog,
        *,
        clock: Clock = utc_now,
        projections: Sequence[Projection] = PROJECTIONS,
    ) -> "Views":
        """Opens what is there and makes what is missing; nothing is folded yet."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="views")
        try:
            stores = await _open_stores(folder, log, projections, thread)
            readers = {store.projection.name: await Reader.open(store.path) for store in stores}
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(folder, log, stores, readers, thread=thread, clock=clock)

    async def catch_up(self, until: int | None = None) -> None:
        """Folds the log up to `until` (None: to its present head) and no further."""
        await self._runner.catch_up(until)

    async def start(self) -> None:
        """Returns once everything that stands in the log now is folded; then follows the log."""
        await self._runner.catch_up()
        self._runner.start()

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`."""
        return await self._runner.wait_for(position, seconds)

    def position(self) -> int:
        """The smallest position a read model that is not dead has folded."""
        return self._runner.folded()

    def head(self) -> int:
        """The last position of the log."""
        return self._log.head()

    def failures(self) -> dict[str, str]:
        """Why which read model does not follow the log; empty when all is well."""
        return self._runner.failures()

    def lag(self) -> float:
        """For how many seconds events have been waiting to be folded."""
        return self._runner.lag()

    def standings(self) -> list[FollowerStanding]:
        """Tells how each read model does, as a follower of the log: `views.sessions`, …"""
        return self._runner.standings()

    def files(self) -> dict[str, Path]:
        """The current file of every read model."""
        return {name: store.path for name, store in self._stores.items()}

    async def rebuild(self, name: str, *, progress: Progress | None = None) -> None:
        """Builds a read model from nothing beside the live one, then lets it take over.

        Questions are answered all the while; a dead read model lives again afterwards.
        """
        async with self._one_rebuild:
            store = await self._built(name, progress)
            before = await self._runner.replace(store)
            self._stores[name] = store
            files = {each: self._relative(path) for each, path in self.files().items()}
            await self._hop(partial(manifest.save, self._folder, files))
            await self._readers[name].turn_to(store.path)
            await self._hop(before.close)
            await self._hop(partial(manifest.sweep, self._folder, files))

    async def _built(self, name: str, progress: Progress | None) -> Store:
        """In a thread of its own, so that the live ones do not fall behind meanwhile."""
        projection = self._stores[name].projection
        file = await self._hop(partial(manifest.next_file, self._folder, name, projection.version))
        thread = ThreadPoolExecutor(1, thread_name_prefix="rebuild")
        try:
            path = self._folder / file
            return await rebuild(projection, self._log, path, thread, progress=progress)
        finally:
            thread.shutdown(wait=False)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._folder))

    async def close(self) -> None:
        """Stops following and closes every file. Harmless when done twice."""
        if self._closed:
            return
        self._closed = True
        await self._runner.close()
        if self._remembering is not None:
            await asyncio.wait({self._remembering})
        for reader in self._readers.values():
            await reader.close()
        for store in self._stores.values():
            await self._hop(store.close)
        self._thread.shutdown(wait=False)

    def _remember_accounts(self) -> None:
        """The next turn finds the accounts in memory."""
        if self._remembering is None or self._remembering.done():
            self._remembering = asyncio.create_task(self._accounts_remembered())

    async def _accounts_remembered(self) -> None:
        try:
            await self.accounts.remember()
        except sqlite3.Error as error:
            _LOG.warning("the accounts are not at hand: %s", error)

    async def _hop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _open_stores(
    folder: Path, log: ReadableLog, projections: Sequence[Projection], thread: ThreadPoolExecutor
) -> list[Store]:
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    found: list[Store] = await run(_open_current, folder, projections)
    kept: list[Store] = []
    for store in found:
        if await _belongs(store, log):
            kept.append(store)
        else:
            _LOG.warning("%s was not folded from this log: it is built again", store.path)
            await run(store.close)
    return await run(_complete, folder, projections, kept, log.log_id)


def _open_current(folder: Path, projections: Sequence[Projection]) -> list[Store]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = manifest.load(folder)
    stores = (_open_one(folder, projection, files) for projection in projections)
    return [store for store in stores if store is not None]


def _open_one(folder: Path, projection: Projection, files: dict[str, str]) -> Store | None:
    file = files.get(projection.name)
    if file is None or not manifest.is_version(file, projection.version):
        return None
    try:
        return Store.open(projection, folder / file)
    except sqlite3.Error as error:
        _LOG.warning("%s is of no use (%s): it is built again", folder / file, error)
        return None


async def _belongs(store: Store, log: ReadableLog) -> bool:
    """The store was folded from this log, and the log still holds what was folded last."""
    known = store.progress
    if known.log_id != log.log_id or known.position > log.head():
        return False
    if known.position == 0:
        return True
    last = await log.read(known.position - 1, limit=1, sealed=True)
    return bool(last) and last[0].metadata.event_id == known.event_id


def _complete(
    folder: Path, projections: Sequence[Projection], kept: Sequence[Store], log_id: str
) -> list[Store]:
    stores = {store.projection.name: store for store in kept}
    for projection in projections:
        if projection.name not in stores:
            file = manifest.next_file(folder, projection.name, projection.version)
            stores[projection.name] = Store.create(projection, folder / file, log_id)
    files = {name: str(store.path.relative_to(folder)) for name, store in stores.items()}
    manifest.save(folder, files)
    manifest.sweep(folder, files)
    return [stores[projection.name] for projection in projections]
