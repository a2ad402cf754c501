"""Pulls events from the log into every read model, and tells who waits how far they are."""

import asyncio
import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from itertools import count

from codara.events.base import Recorded
from codara.projections.base import ReadableLog
from codara.projections.store import Store

BATCH = 500
RETRY_SECONDS = 1.0

_LOG = logging.getLogger(__name__)


class Runner:
    """One reader of the log for all read models: an event is decoded once, a batch is one hop.

    A read model whose fold raises is dead until the next start: the others go on, `failures`
    names it. One whose file cannot be written at the moment (a full disk) is named there too, and
    tried again every second.
    """

    def __init__(
        self,
        log: ReadableLog,
        stores: Sequence[Store],
        thread: Executor,
        *,
        until: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._stores = {store.projection.name: store for store in stores}
        self._thread = thread
        self._until = until
        self._monotonic = monotonic
        self._dead: dict[str, str] = {}
        self._sick: dict[str, str] = {}
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._numbers = count()
        self._between_batches = asyncio.Lock()
        self._goal: tuple[int, float] | None = None
        self._task: asyncio.Task[None] | None = None

    async def catch_up(self) -> None:
        """Folds all there is in the log at this moment; what fails is in `failures` afterwards."""
        head = self._log.head() if self._until is None else self._until
        await self._fold_to(head)

    def start(self) -> None:
        """Follows the log from now on, until `close`."""
        self._task = asyncio.create_task(self._supervised(), name="projections")

    def position(self) -> int:
        """Up to here every living read model has folded the log."""
        return min((store.position for store in self._living()), default=0)

    def failures(self) -> dict[str, str]:
        """Why which read model does not follow the log; empty when all is well."""
        return {**self._sick, **self._dead}

    def lag(self) -> float:
        """For how many seconds events have been waiting in the log; 0 when there are none."""
        now, position = self._monotonic(), min(s.position for s in self._stores.values())
        if self._goal is None or position >= self._goal[0]:
            head = self._log.head()
            self._goal = (head, now) if head > position else None
        return 0.0 if self._goal is None else now - self._goal[1]

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`.

        False at once when the living have and a failed one will not.
        """
        if self.position() >= position:
            return not self.failures()
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (position, next(self._numbers), future)
        heapq.heappush(self._waiting, entry)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return False
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)

    async def replace(self, store: Store) -> Store:
        """Lets another generation of a read model take over, caught up; returns the one before."""
        name = store.projection.name
        async with self._between_batches:
            while batch := await self._read(store.position, self.position()):
                await self._hop(store.fold, batch)
            before, self._stores[name] = self._stores[name], store
            self._dead.pop(name, None)
            self._sick.pop(name, None)
        return before

    async def close(self) -> None:
        """Stops after the batch under way; whoever waits is told that it will not come."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for _, _, future in self._waiting:
            if not future.done():
                future.set_result(False)
        self._waiting.clear()

    async def _supervised(self) -> None:
        try:
            await self._follow()
        except Exception as error:
            _LOG.exception("no read model follows the log any more")
            self._dead = {name: _words(error) for name in self._stores}
            self._wake()

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._sick else None):
                    await self._log.wait_past(self.position())
            self.lag()
            await self._fold_to(self._log.head())

    async def _fold_to(self, head: int) -> None:
        """Reads the next batch while one is being folded."""
        batch = await self._read(self._behind(), head)
        while batch:
            async with asyncio.TaskGroup() as both:
                following = both.create_task(self._read(batch[-1].position, head))
                await self._fold(batch)
            batch = following.result()

    async def _read(self, after: int, head: int) -> list[Recorded]:
        if after >= head:
            return []
        return await self._log.read(after, limit=BATCH, until=head, sealed=True)

    async def _fold(self, batch: Sequence[Recorded]) -> None:
        async with self._between_batches:
            for name, error in await self._hop(self._fold_all, batch):
                self._note(name, error)
        self._wake()

    def _fold_all(self, batch: Sequence[Recorded]) -> list[tuple[str, Exception | None]]:
        return [(name, self._try(name, batch)) for name in self._stores if name not in self._dead]

    def _try(self, name: str, batch: Sequence[Recorded]) -> Exception | None:
        store = self._stores[name]
        if batch[0].position > store.position + 1 and name in self._sick:
            return sqlite3.OperationalError(self._sick[name])
        try:
            store.fold(batch)
        except Exception as error:
            return error
        return None
