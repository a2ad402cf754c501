"""Tidying: threads that nobody needs leave the homes, and no home outgrows its bound."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.views import Following, IdleThread, KeptThreads
from codara.application.regularly import regularly
from codara.clock import Clock
from codara.domain.session import Session
from codara.errors import CodaraError
from codara.events import streams
from codara.events.base import Cause
from codara.events.workspace import ThreadsRemoved

logger = logging.getLogger(__name__)

ENDED, SPACE = "ended", "space"
_PAUSE_SECONDS = 60.0
_MOST_ENDED = 1_000
_MOST_HOMES = 50
"""Limits of one round: ended threads to remove, homes to remove them from, homes to measure."""
_AT_ONCE = 4
"""Homes tidied at the same time; one of them may have to wait for a turn at work there."""
_BATCH, _SMALL_BATCH, _BATCHES = 50, 10, 4
"""Threads removed before a home is measured again: of one turn, of several; and how often."""
_MOST_NAMED = 50
_NAMED_BYTES = 32_768
"""Limits of the ids in one fact, and in one call of the agents, which keeps turns waiting."""
_CALL_SECONDS = 180.0
"""Seconds that the agents may take for one call."""
_FOLDED_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)

Home = tuple[str, str]
"""A workspace's id and a provider."""
Listing = Callable[[str, str, int], Awaitable[Sequence[IdleThread]]]
Work = Callable[[Home], Awaitable[None]]


class HomeKeeper(Protocol):
    """What tidying asks of the agents."""

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        """Removes the threads from the home; those that are not there are passed over."""

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        """Returns how many bytes the home holds."""


@attrs.frozen
class HomeTrouble:
    """A home that could not be tidied: it is left alone until `until`, and longer the next time."""

    until: datetime
    pause: timedelta


@attrs.define(kw_only=True)
class Tidying:
    """Removes threads from homes, and records it in the log afterwards.

    After a crash in between, the threads are removed once more, which changes nothing. What fails
    for one home is logged and tried again later; the other homes are tidied all the same.
    """

    deciding: Deciding
    threads: KeptThreads
    feed: Following
    agents: HomeKeeper
    clock: Clock
    cause: Cause
    bound: int
    """The number of bytes that a home may hold."""
    _looked: int = attrs.field(default=0, init=False)
    """The position in the log up to which homes have been measured."""
    _due: dict[Home, None] = attrs.field(factory=dict, init=False)
    """Homes that are still to be measured, in their order."""
    _troubles: dict[Home, HomeTrouble] = attrs.field(factory=dict, init=False)

    async def keep(self, pause: float = _PAUSE_SECONDS) -> None:
        """Tidies every `pause` seconds until it is cancelled."""
        await regularly(self.pass_over, pause, "homes are not tidied at present")

    async def pass_over(self) -> None:
        """Removes ended threads, then measures the homes that were used since the last round.

        Does nothing while the read models are behind the log: they could report threads as ended
        that are in use.
        """
        if not await self.feed.wait_for(self.feed.head(), _FOLDED_SECONDS):
            return
        await self._note_used()
        ended = await self.threads.ended(_MOST_ENDED, but=self._shunned())
        threads = {(each.workspace_id, each.provider): each.threads for each in ended}
        await self._at_each(list(threads), lambda home: self._remove(home, threads[home], ENDED))
        await self._at_each(self._ready(), self._fit)

    async def _note_used(self) -> None:
        """Adds the homes that were used since the last round, as far as there is room for them."""
        if (room := _MOST_HOMES - len(self._ready())) > 0:
            used = await self.threads.homes(self._looked, room)
            self._looked = max((each.used for each in used), default=self._looked)
            self._due |= dict.fromkeys((each.workspace_id, each.provider) for each in used)

    def _ready(self) -> list[Home]:
        shunned = self._shunned()
        return [home for home in self._due if home not in shunned]

    # ------------------------------------------------------------ one home

    async def _fit(self, home: Home) -> None:
        """Removes threads of one turn above half of the bound, and others above the bound."""
        half, size = self.bound // 2, await self._size(home)
        left: int | None = size
        if size > half:
            left = await self._reduced(home, size, half, self.threads.uncontinued, _BATCH)
        if left is not None and left > self.bound:
            left = await self._reduced(home, left, self.bound, self.threads.others, _SMALL_BATCH)
        self._due.pop(home, None)
        if left is None:
            self._due[home] = None
        elif left > self.bound:
            logger.warning(
                "the home of %s in %s holds %d bytes, over workspace.home_bytes, and no thread of "
                "it can go at present",
                *(home[1], home[0], left),
            )

    async def _reduced(
        self, home: Home, size: int, goal: int, listing: Listing, batch: int
    ) -> int | None:
        """Removes threads until the goal is met or nothing helps; returns the bytes that are left.

        None if the rest is left to the next round, after a few batches.
        """
        for _ in range(_BATCHES):
            threads = await self._unused(await listing(*home, batch))
            if not threads:
                return size
            await self._remove(home, threads, SPACE)
            before, size = size, await self._size(home)
            if size <= goal or size >= before:
                return size
        return None

    async def _unused(self, threads: Iterable[IdleThread]) -> list[str]:
        """Returns the threads whose session has no open turn, by the log itself.

        The log is ahead of the read model that listed the threads.
        """
        unused = []
        for each in threads:
            session: Session = await self.deciding.state(streams.session(each.session_id))
            if session.turn is None:
                unused.append(each.backend_id)
        return unused

    async def _remove(self, home: Home, threads: Sequence[str], reason: str) -> None:
        for portion in portions(threads):
            async with asyncio.timeout(_CALL_SECONDS):
                await self.agents.forget(*home, portion)
            await self._record(home, portion, reason)

    async def _size(self, home: Home) -> int:
        async with asyncio.timeout(_CALL_SECONDS):
            return await self.agents.home_bytes(*home)

    async def _record(self, home: Home, threads: tuple[str, ...], reason: str) -> None:
        """Appends the fact and waits until it is folded: the threads must not be listed again."""
        workspace_id, provider = home
        stream = streams.workspace(workspace_id)
        removed = ThreadsRemoved(
            workspace_id=workspace_id, provider=provider, threads=threads, reason=reason
        )
        decided = await self.deciding.decide([stream], lambda _: {stream: [removed]}, self.cause)
        await self.feed.wait_for(decided.position or 0, _FOLDED_SECONDS)

    # ------------------------------------------------------------ trouble

    async def _at_each(self, homes: Sequence[Home], work: Work) -> None:
        """Does the work for a few homes at a time; a failure is recorded for its home alone."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(home: Home) -> None:
            async with places:
                await self._carefully(home, work)

        async with asyncio.TaskGroup() as group:
            for home in homes[:_MOST_HOMES]:
                group.create_task(one(home))

    async def _carefully(self, home: Home, work: Work) -> None:
        try:
            await work(home)
        except Exception as error:
            self._shun(home, error)
        else:
            self._troubles.pop(home, None)

    def _shun(self, home: Home, error: Exception) -> None:
        before = self._troubles.get(home)
        pause = min(before.pause * 2, _LONGEST_PAUSE) if before else _FIRST_PAUSE
        self._troubles[home] = HomeTrouble(self.clock() + pause, pause)
        if isinstance(error, CodaraError | TimeoutError):
            why = error.message if isinstance(error, CodaraError) else "it took too long"
            logger.warning("the home of %s in %s cannot be tidied: %s", home[1], home[0], why)
        else:
            logger.error("the home of %s in %s cannot be tidied", home[1], home[0], exc_info=error)

    def _shunned(self) -> set[Home]:
        """Returns the homes in trouble now, and forgets those whose trouble is long past."""
        now = self.clock()
        recent = (each for each in self._troubles.items() if each[1].until > now - _LONGEST_PAUSE)
        self._troubles = dict(recent)
        return {home for home, trouble in self._troubles.items() if trouble.until > now}


def portions(threads: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Yields the ids in groups that fit into one fact each: up to 50 ids, and up to 32 KiB."""
    portion: list[str] = []
    room = _NAMED_BYTES
    for each in threads:
        size = len(ascii(each))
        if portion and (size > room or len(portion) == _MOST_NAMED):
            yield tuple(portion)
            portion, room = [], _NAMED_BYTES
        portion.append(each)
        room -= size
    if portion:
        yield tuple(portion)
