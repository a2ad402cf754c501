"""Pulls events from the log into every read model, and tells who waits how far they are."""

import asyncio
import heapq
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TypeVar

from codara.errors import StorageFailed
from codara.events.base import Recorded
from codara.events.store.feeder import Feeder
from codara.events.store.follower import Batches, FollowerStanding, Lag
from codara.projections.engine.base import ReadableLog
from codara.projections.engine.store import Store

RETRY_SECONDS = 1.0
LULL_SECONDS = 0.5
"""While nobody waits, events gather for up to this long and are folded as one batch.

Each batch costs a thread hop, however small. A question waits for what the log held when it was
asked, and ends the lull: nobody sees it.
"""
GATHERED = 48
"""This many events end the lull, too: the log still has them in memory."""

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Runner:
    """The follower of all read models: an event is decoded once, a batch is one hop for them all.

    A read model whose fold raises is dead until the next start: the others go on, `failures`
    names it. One whose file cannot be written at the moment (a full disk) is named there too, and
    tried again every second; so are all while the log cannot be read. `thread` is the one thread
    that all stores belong to; `on_folded` is called on the loop behind every batch.
    """

    name = "views"

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
        self._read = Batches(log).read
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
        self._lags = {name: Lag(monotonic) for name in self._stores}
        self._feeder = Feeder(
            self,
            log,
            self._read,
            ready=self._ready,
            longest=RETRY_SECONDS,
            monotonic=monotonic,
            on_change=self._changed,
        )

    async def catch_up(self, until: int | None = None) -> None:
        """Folds the log up to `until` (None: to its present head); LogDamaged if it is damaged."""
        await self._feeder.catch_up(until)

    def start(self) -> None:
        """Follows the log from now on, until `close`."""
        self._feeder.start()

    @property
    def position(self) -> int:
        """Tells up to where the log was given to every read model that was well then."""
        return self._position

    def folded(self) -> int:
        """Tells up to where every read model that is not dead has folded the log."""
        return min((store.position for _, store in self._living()), default=self._position)

    def failures(self) -> dict[str, str]:
        """Why which read model does not follow the log; empty when all is well."""
        unread = self._feeder.trouble
        behind = {name: unread for name, _ in self._living()} if unread is not None else {}
        return {**behind, **self._sick, **self._dead}

    def lag(self) -> float:
        """For how many seconds events have been waiting to be folded; 0 when none are."""
        return max((self._lag_of(name) for name, _ in self._living()), default=0.0)

    def standings(self) -> list[FollowerStanding]:
        """Tells how each read model does, by names like `views.sessions`."""
        failures = self.failures()
        return [
            FollowerStanding(
                name=f"{self.name}.{name}",
                position=store.position,
                lag_seconds=self._lag_of(name),
                trouble=failures.get(name),
                essential=True,
            )
            for name, store in self._stores.items()
        ]

    async def wait_for(self, position: int, seconds: float) -> bool:
        """True once every read model has folded `position`; False after `seconds`.

        False without waiting any longer when one has failed and the others are there.
        """
        if self._position < position and not self._hopeless():
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
        """Stops reading; those who wait are told that it will not come."""
        await self._feeder.close()
        self._wake(everyone=True)

    async def take(self, batch: Sequence[Recorded]) -> None:
        """Folds a batch into every read model that is well; one that fails is noted, not raised."""
        async with self._between_batches:
            well = [s for n, s in self._stores.items() if n not in self._dead | self._sick]
            for store, error in await self._hop(partial(_fold_all, well, self._position, batch)):
                self._note(store.projection.name, error)
            self._position = batch[-1].position
        self._wake()
        self._on_folded()

    # ------------------------------------------------------------ following

    async def _ready(self) -> None:
        """Returns when it is time for the next batch; who is sick has been tried again by then."""
        await self._something_to_do()
        await self._lull()
        await self._heal()
        self.lag()

    async def _something_to_do(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS if self._sick else None):
                await self._log.wait_past(self._position)

    async def _lull(self) -> None:
        """Lets what follows soon be folded in the same batch, until somebody waits."""
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

    def _living(self) -> Iterator[tuple[str, Store]]:
        return ((name, store) for name, store in self._stores.items() if name not in self._dead)

    def _lag_of(self, name: str) -> float:
        return self._lags[name].seconds(self._stores[name].position, self._log.head())

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

    def _hopeless(self) -> bool:
        """Nothing will come, or not soon: a disk that fails may be back in a moment."""
        failing = self._feeder.failing
        return self._feeder.ended or not issubclass(failing or StorageFailed, StorageFailed)

    def _changed(self) -> None:
        if self._hopeless():
            self._wake(everyone=True)

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
