"""Pulls events from the log into every read model, and tells who waits how far they are."""

import asyncio
import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TypeVar

from codara.errors import ShuttingDown, StorageFailed
from codara.events.base import Recorded
from codara.projections.engine.base import ReadableLog
from codara.projections.engine.store import Store

BATCH = 250
RETRY_SECONDS = 1.0
LULL_SECONDS = 0.5
"""For so long events gather while nobody waits for them: a batch costs its hops, however small.

Whoever asks waits for what the log held then, and thereby ends the lull: nobody sees it.
"""
GATHERED = 48
"""So many events end the lull, too: the log still has them in memory."""

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Runner:
    """One reader of the log for all read models: an event is decoded once, a batch is one hop.

    A read model whose fold raises is dead until the next start: the others go on, `failures`
    names it. One whose file cannot be written at the moment (a full disk) is named there too, and
    tried again every second; so are all while the log cannot be read. `thread` is the one thread
    that all stores belong to; `on_folded` is called on the loop behind every batch.
    """

    def __init__(
        self,
        log: ReadableLog,
        stores: Sequence[Store],
        thread: Executor,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_folded: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_folded = on_folded
        self._log = log
        self._stores = {store.projection.name: store for store in stores}
        self._thread = thread
        self._monotonic = monotonic
        self._position = min((store.position for store in stores), default=0)
        self._dead: dict[str, str] = {}
        self._sick: dict[str, str] = {}
        self._try_again = 0.0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._urged = asyncio.Event()
        self._between_batches = asyncio.Lock()
        self._goal: tuple[int, float] | None = None
        self._task: asyncio.Task[None] | None = None

    async def catch_up(self, until: int | None = None) -> None:
        """Folds the log up to `until` (None: to its present head); LogDamaged if it is damaged."""
        await self._fold_to(self._log.head() if until is None else until)

    def start(self) -> None:
        """Follows the log from now on, until `close`."""
        self._task = asyncio.create_task(self._supervised(), name="projections")

    def position(self) -> int:
        """Up to here every read model that is not dead has folded the log."""
        living = [store for name, store in self._stores.items() if name not in self._dead]
        return min((store.position for store in living), default=self._position)

    def failures(self) -> dict[str, str]:
        """Why which read model does not follow the log; empty when all is well."""
        return {**self._sick, **self._dead}

    def lag(self) -> float:
        """For how many seconds events have been waiting to be folded; 0 when none are."""
        now, position = self._monotonic(), self.position()
        if self._goal is None or position >= self._goal[0]:
            head = self._log.head()
            self._goal = (head, now) if head > position else None
        return 0.0 if self._goal is None else now - self._goal[1]

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`.

        False without waiting any longer when one has failed and the others are there.
        """
        if self._position < position and not self._stopped():
            await self._reached(position, seconds)
        return self._position >= position and not self.failures()

    async def replace(self, store: Store) -> Store:
        """Lets another generation of a read model take over; returns the one before, still open."""
        name = store.projection.name
        async with self._between_batches:
            await self._fold_one(store)
            before, self._stores[name] = self._stores[name], store
            self._dead.pop(name, None)
            self._sick.pop(name, None)
        return before

    async def close(self) -> None:
        """Stops reading; whoever waits is told that it will not come."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._wake(everyone=True)

    # ------------------------------------------------------------ following

    async def _supervised(self) -> None:
        try:
            while True:
                await self._something_to_do()
                await self._lull()
                await self._heal()
                self.lag()
                await self._follow()
        except ShuttingDown:
            _LOG.info("the log is closed: the read models stay as they are")
        except Exception as error:
            _LOG.exception("no read model follows the log any more")
            self._dead = dict.fromkeys(self._stores, _words(error))
        finally:
            self._wake(everyone=True)

    async def _follow(self) -> None:
        """Folds to the head; a log whose disk fails is read again in a second."""
        try:
            await self._fold_to(self._log.head())
        except StorageFailed as error:
            for name in self._stores.keys() - self._dead.keys():
                self._note(name, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _something_to_do(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS if self._sick else None):
                await self._log.wait_past(self._position)

    async def _lull(self) -> None:
        """Lets what follows soon be folded in the same batch; whoever waits ends it."""
        self._urged.clear()
        if self._waiting:
            return
        ends = [
            asyncio.ensure_future(self._urged.wait()),
            asyncio.ensure_future(self._log.wait_past(self._position + GATHERED - 1)),
        ]
        try:
            await asyncio.wait(ends, timeout=LULL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _fold_to(self, head: int) -> None:
        while batch := await self._read(self._position, head):
            await self._fold(batch)

    async def _read(self, after: int, head: int) -> list[Recorded]:
        if after >= head:
            return []
        return await self._log.read(after, limit=BATCH, until=head, sealed=True)

    async def _fold(self, batch: Sequence[Recorded]) -> None:
        async with self._between_batches:
            well = [s for n, s in self._stores.items() if n not in self._dead | self._sick]
            for store, error in await self._hop(partial(_fold_all, well, self._position, batch)):
                self._note(store.projection.name, error)
            self._position = batch[-1].position
        self._wake()
        self._on_folded()

    async def _fold_one(self, store: Store) -> None:
        """Brings one store to where the others are."""
        while store.position < self._position:
            batch = await self._read(store.position, self._position)
            await self._hop(partial(store.fold, store.position, batch))

    async def _heal(self) -> None:
        if not self._sick or self._monotonic() < self._try_again:
            return
        for name in list(self._sick):
            try:
                await self._fold_one(self._stores[name])
            except Exception as error:
                self._note(name, error)
            else:
                del self._sick[name]

    def _note(self, name: str, error: Exception) -> None:
        _LOG.error("the read model %s does not follow the log", name, exc_info=error)
        self._sick.pop(name, None)
        if isinstance(error, sqlite3.OperationalError | StorageFailed):
            self._sick[name] = _words(error)
            self._try_again = self._monotonic() + RETRY_SECONDS
        else:
            self._dead[name] = _words(error)

    async def _hop(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # ------------------------------------------------------------ waiting

    def _stopped(self) -> bool:
        return self._task is not None and self._task.done()

    async def _reached(self, position: int, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (position, next(self._numbers), future)
        heapq.heappush(self._waiting, entry)
        self._urged.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await future
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)

    def _wake(self, *, everyone: bool = False) -> None:
        while self._waiting and (everyone or self._waiting[0][0] <= self._position):
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)


def _fold_all(
    stores: Sequence[Store], after: int, batch: Sequence[Recorded]
) -> list[tuple[Store, Exception]]:
    failed: list[tuple[Store, Exception]] = []
    for store in stores:
        try:
            store.fold(after, batch)
        except Exception as error:
            failed.append((store, error))
    return failed


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
