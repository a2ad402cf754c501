"""Proving: all that is stored is checked beside the work, and what has no digest gets one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs

from codara.errors import CodaraError, ShuttingDown
from codara.events.store import schema
from codara.events.store.checker import Checker, Look
from codara.events.store.digests import StoredDamage
from codara.events.store.follower import words_of
from codara.events.store.groups import Group, Proofs
from codara.events.store.recorder import TAIL_EVENTS

PAUSE_SECONDS = 0.02
"""Between two reads of a millisecond or so: a check takes a twentieth of one processor."""
EVERY_SECONDS = 24 * 3600.0
RETRY_SECONDS = 60.0
CLOSE_SECONDS = 10.0
MOST_DAMAGES = 20
"""A pass that has found this much ends: no backup is made from the rest."""

logger = logging.getLogger(__name__)


@attrs.define
class CheckProgress:
    """How far a pass has come, in positions, and how many events it may still find unproven."""

    head: int
    position: int = 0
    unproven: int = 0

    def line(self) -> str:
        """Returns this in words."""
        so_far = f"the log is checked up to event {self.position:,} of {self.head:,}"
        if not self.unproven:
            return so_far
        return f"{so_far}; {self.unproven:,} events of an earlier version are unproven until then"


class Prover:
    """Checks the whole log once it is started, and every day, in one task that it owns.

    `write` queues a group as `Writer.submit` does. `stop` is called with each damage that is found.
    A pass reads on behind a damage, and leaves what is unproven as it is.
    """

    def __init__(
        self,
        checker: Checker,
        write: Callable[[Group], Awaitable[int]],
        stop: Callable[[StoredDamage], None],
    ) -> None:
        self._checker = checker
        self._write = write
        self._stop = stop
        self._progress: CheckProgress | None = None
        self._damages: list[StoredDamage] = []
        self._refused = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins the first pass."""
        self._task = asyncio.create_task(self._keep(), name="the log is checked")

    async def close(self) -> None:
        """Ends the task; what a pass has proven stays so. Harmless when done twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)

    def progress(self) -> list[str]:
        """Returns a line while a pass is at work on what the start did not check; else nothing."""
        now = self._progress
        if now is None or not (now.unproven or now.head > TAIL_EVENTS):
            return []
        return [now.line()]

    def damages(self) -> list[str]:
        """Returns what the last pass found, up to `MOST_DAMAGES` lines."""
        return [damage.why for damage in self._damages]

    async def _keep(self) -> None:
        with suppress(ShuttingDown):
            while True:
                await self._round()
                is_done = self._damages or not self._refused
                await asyncio.sleep(EVERY_SECONDS if is_done else RETRY_SECONDS)

    async def _round(self) -> None:
        """Goes through the log once; no error but that of a closed log outlives it."""
        try:
            await self._pass()
        except ShuttingDown:
            raise
        except StoredDamage as damage:
            self._note(damage)
        except Exception as error:
            logger.warning("the check of the log begins again later: %s", words_of(error))
            self._refused = True
        finally:
            self._progress = None
        await self._checker.rest()

    async def _pass(self) -> None:
        self._damages, self._refused = [], False
        last, unproven, marks = await self._checker.standing()
        self._progress = CheckProgress(last, unproven=unproven)
        await self._events(self._progress)
        await self._parts()
        await self._lost_parts()
        missing = [mark for mark in schema.PROVEN if mark not in marks]
        if missing:
            await self._prove(Proofs(marks=missing))

    async def _events(self, progress: CheckProgress) -> None:
        while progress.position < progress.head and not self._is_enough():
            seen = await self._checker.events(progress.position, progress.head)
            await self._take(seen)
            progress.position = seen.until
            progress.unproven -= len(seen.proofs.events)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _parts(self) -> None:
        row: int | None = 0
        while row is not None and not self._is_enough():
            seen = await self._checker.parts(row)
            await self._take(seen)
            row = seen.until or None
            await asyncio.sleep(PAUSE_SECONDS if row else 0)

    async def _lost_parts(self) -> None:
        row: int | None = 0
        while row is not None and not self._is_enough():
            seen = await self._checker.lost_parts(row)
            await self._take(seen)
            row = seen.until or None
            await asyncio.sleep(PAUSE_SECONDS if row else 0)

    def _is_enough(self) -> bool:
        return len(self._damages) >= MOST_DAMAGES

    async def _take(self, seen: Look) -> None:
        for damage in seen.damages:
            self._note(damage)
        await self._prove(seen.proofs)

    def _note(self, damage: StoredDamage) -> None:
        self._damages.append(damage)
        logger.error("%s", damage.message)
        self._stop(damage)

    async def _prove(self, proofs: Proofs) -> None:
        """Writes digests while nothing is wrong and the log takes them; the rest comes later."""
        if self._damages or self._refused or not proofs:
            return
        try:
            await self._write(Group((), proofs=proofs))
        except ShuttingDown:
            raise
        except CodaraError as error:
            logger.info("digests of older events wait: %s", error.message)
            self._refused = True
