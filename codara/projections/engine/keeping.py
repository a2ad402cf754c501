"""All read models of one log: kept up with it, built again, and closed together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from codara.errors import LogDamaged
from codara.events.store.follower import FollowerStanding
from codara.projections.engine import manifest
from codara.projections.engine.opening import Opened
from codara.projections.engine.rebuild import Progress, rebuild
from codara.projections.engine.remembering import Memory
from codara.projections.engine.runner import Runner
from codara.projections.engine.store import Store

_T = TypeVar("_T")


class ReadModels:
    """Keeps every read model of one log, in one folder that may be deleted while nobody has it."""

    def __init__(self, opened: Opened) -> None:
        self._folder = opened.folder
        self._log = opened.log
        self._stores = {store.projection.name: store for store in opened.stores}
        self._readers = opened.readers
        self._thread = opened.thread
        self.memory = Memory()
        """Read models that are to have something in memory behind every batch."""
        self._runner = Runner(
            opened.log, opened.stores, opened.thread, on_folded=self.memory.refresh
        )
        self._one_rebuild = asyncio.Lock()
        self._closed = False

    async def catch_up(self, until: int | None = None) -> None:
        """Folds the log up to `until` (None: to its present head) and no further."""
        await self._runner.catch_up(until)

    async def start(self) -> None:
        """Returns once everything that stands in the log now is folded; then follows the log.

        In front of damage in the log it returns as well; `failures` tells of it.
        """
        with suppress(LogDamaged):
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
        await self.memory.close()
        for reader in self._readers.values():
            await reader.close()
        for store in self._stores.values():
            await self._hop(store.close)
        self._thread.shutdown(wait=False)

    async def _hop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
