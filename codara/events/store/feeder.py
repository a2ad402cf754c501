"""Feeds a follower from the log: one supervised task that rests after trouble and tries again."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic

from codara.errors import LogDamaged, ShuttingDown
from codara.events.store.follower import (
    FollowedLog,
    Follower,
    FollowerStanding,
    Lag,
    P,
    Read,
    words_of,
)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds of rest after a first trouble, and after many in a row; each is twice the one before."""
CLOSE_SECONDS = 10.0

_LOG = logging.getLogger(__name__)


class Feeder(Generic[P]):
    """Feeds a follower from the log: batch by batch, in one task, whatever goes wrong in between.

    After trouble it rests, from `first` seconds up to `longest`, and tries again from the
    follower's position; nothing is skipped. A batch that was refused is given event by event the
    next time, so that the follower gets as far as it can. `ready` returns when it may be worth
    reading (None: once the log is beyond the follower); `on_change` is called when trouble begins
    or ends, and when following ends. A log that is closed ends it quietly.
    """

    def __init__(
        self,
        follower: Follower[P],
        log: FollowedLog,
        read: Read[P],
        *,
        essential: bool = True,
        ready: Callable[[], Awaitable[None]] | None = None,
        first: float = FIRST_PAUSE,
        longest: float = LONGEST_PAUSE,
        monotonic: Callable[[], float] = time.monotonic,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._follower = follower
        self._log = log
        self._read = read
        self._essential = essential
        self._ready = ready or self._more
        self._first, self._longest = first, longest
        self._on_change = on_change
        self._lag = Lag(monotonic)
        self._one_batch = asyncio.Lock()
        self._suspect = 0
        self._pause = 0.0
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.ended = False
        """Nothing is followed any more: the log is closed, or this is."""
        self.trouble: str | None = None
        self.failing: type[Exception] | None = None
        """The class of the error that `trouble` tells of."""

    async def catch_up(self, until: int | None = None) -> None:
        """Feeds the log up to `until` (None: to its present head), and returns when that is done.

        Raises what the log or the follower raises; nothing is tried again.
        """
        end = self._log.head() if until is None else until
        while await self._fed(end):
            pass

    def start(self) -> None:
        """Follows the log from now on, until `close`."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"{self._follower.name} follows")

    async def close(self) -> None:
        """Stops following, at work or at rest; returns within `CLOSE_SECONDS`."""
        self._closed = True
        if self._task is None:
            return
        self._task.cancel()
        _, running = await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        if running:
            _LOG.error("%s does not let go of its work", self._follower.name)

    def standing(self) -> FollowerStanding:
        """Tells how the follower does now."""
        return FollowerStanding(
            name=self._follower.name,
            position=self._follower.position,
            lag_seconds=self._measure(),
            trouble=self.trouble,
            essential=self._essential,
        )

    # ------------------------------------------------------------ following

    async def _follow(self) -> None:
        try:
            while not self._closed:
                if pause := await self._round():
                    await self._rest(pause)
        except ShuttingDown:
            _LOG.info("the log is closed: %s stays as it is", self._follower.name)
        finally:
            self.ended = True
            self._on_change()

    async def _round(self) -> float:
        """Feeds what is there; returns for how long to rest. No error outlives it, nor a batch."""
        try:
            with errors_for_strays():
                await self._ready()
                self._measure()
                end = self._log.head()
                while not self._closed and await self._fed(end):
                    pass
        except ShuttingDown:
            raise
        except Exception as error:
            self._note(error)
            return self._pause
        return 0.0

    async def _more(self) -> None:
        await self._log.wait_past(self._follower.position)

    async def _rest(self, seconds: float) -> None:
        """Ends with ShuttingDown as soon as the log is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._log.wait_past(self._log.head())

    async def _fed(self, until: int) -> bool:
        """Feeds one batch; False if nothing was left to feed."""
        async with self._one_batch:
            after = self._follower.position
            batch = await self._read(after, until)
            if batch:
                await self._give(batch)
            elif after < min(until, self._log.head()):
                raise LogDamaged(f"the log holds nothing behind {after}; restore a backup")
            else:
                self._well()
            return bool(batch)

    async def _give(self, batch: Sequence[P]) -> None:
        if batch[0].position <= self._suspect:
            for each in batch:
                await self._hand([each])
            return
        try:
            await self._hand(batch)
        except Exception:
            self._suspect = batch[-1].position
            raise

    async def _hand(self, batch: Sequence[P]) -> None:
        await self._follower.take(batch)
        if self._follower.position < batch[-1].position:
            raise RuntimeError(f"{self._follower.name} took a batch and did not move")
        self._well()

    def _measure(self) -> float:
        return self._lag.seconds(self._follower.position, self._log.head())

    def _note(self, error: Exception) -> None:
        """Tells the trouble, once while it stays the same; what is said outside is not logged."""
        words, name = words_of(error), self._follower.name
        if words != self.trouble:
            shown = error if self._essential else None
            _LOG.error("%s does not follow the log: %s", name, words, exc_info=shown)
        self.trouble, self.failing = words, type(error)
        self._pause = min(self._pause * 2 or self._first, self._longest)
        self._on_change()

    def _well(self) -> None:
        self._pause = 0.0
        if self.trouble is not None:
            _LOG.info("%s follows the log again", self._follower.name)
            self.trouble, self.failing = None, None
            self._on_change()


@contextmanager
def errors_for_strays() -> Iterator[None]:
    """Turns a cancellation that nobody asked this task for into a RuntimeError: no silent end."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a part of the work was cancelled") from error
