"""Room for agents: a number for each runtime, memory for all; idle ones end to make room."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import attrs

from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.pool.slots import HomeKey, HomeSlots, Slot
from codara.errors import Overloaded

Weigh = Callable[[], Awaitable[Mapping[HomeKey, int]]]
"""Bytes that the agents take, by home."""


def _never() -> bool:
    return False


@attrs.frozen(kw_only=True)
class Bounds:
    """`memory` in bytes for all of them, and how long (s) a turn waits for a process.

    `crowded` tells whether something else of the gateway's runs short that idle agents take.
    """

    memory: int = 8 << 30
    patience: float = 30.0
    crowded: Callable[[], bool] = _never


USUAL = Bounds()


async def weightless() -> Mapping[HomeKey, int]:
    """Nobody is weighed."""
    return {}


class Room:
    """Gives each agent that is opened its place first.

    Only those who need the place of an agent wait for its end.
    """

    def __init__(self, slots: HomeSlots, bounds: Bounds, weigh: Weigh) -> None:
        self._slots = slots
        self._bounds = bounds
        self._weigh = weigh
        self._changed = asyncio.Condition()

    async def take(self, runtime: Runtime, slot: Slot, *, ahead: bool) -> None:
        """Waits for a process and the memory for it; Overloaded when that takes too long.

        From then on the slot is opening. Nobody is ended, or waited for, for one that is only
        started `ahead` of its turn.
        """
        try:
            async with asyncio.timeout(self._bounds.patience) as waiting:
                while (oldest := await self._in_the_way(runtime, slot, ahead=ahead)) is not None:
                    await self._emptied(oldest)
        except TimeoutError:
            if not waiting.expired():
                raise
            raise Overloaded(
                f"no {runtime.name} process became free within {self._bounds.patience:g} s",
                retry_after=1.0,
            ) from None

    async def give_back(self, slot: Slot) -> None:
        """Ends the agent of a home, once its turn is over."""
        await slot.lock.acquire()
        await self._emptied(slot)

    async def changed(self) -> None:
        """Lets those who wait for room look again, because a home became idle or empty."""
        async with self._changed:
            self._changed.notify_all()

    async def slim(self) -> None:
        """Agents have grown: idle ones are ended, the least recently used first."""
        while (idle := self._slots.idle()) and await self._is_tight():
            await self.give_back(_oldest(idle))

    async def all_open(self, seconds: float) -> None:
        """Waits that long for processes on their way."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: not any(slot.opening for slot in self._slots))
        except TimeoutError:
            return

    async def _in_the_way(self, runtime: Runtime, slot: Slot, *, ahead: bool) -> Slot | None:
        """None once the slot has its place; else a home to be emptied for it, its lock held."""
        async with self._changed:
            while (idle := await self._idle_in_the_way(runtime)) is not None:
                if ahead:
                    raise Overloaded("there is no room for one more")
                if idle:
                    oldest = _oldest(idle)
                    await oldest.lock.acquire()
                    return oldest
                await self._changed.wait()
            slot.opening = True
        return None

    async def _idle_in_the_way(self, runtime: Runtime) -> list[Slot] | None:
        """None if there is room for one more; else those that could be ended for it."""
        if self._slots.occupied(runtime.name) >= runtime.max_processes:
            return [slot for slot in self._slots.of(runtime.name) if slot.idle]
        if any(slot.occupied for slot in self._slots) and await self._too_heavy():
            return self._slots.idle()
        if self._bounds.crowded():
            return self._slots.idle() or None
        return None

    async def _is_tight(self) -> bool:
        return self._bounds.crowded() or await self._too_heavy()

    async def _too_heavy(self) -> bool:
        return sum((await self._weigh()).values()) > self._bounds.memory

    async def _emptied(self, slot: Slot) -> None:
        """Ends what is in a home whose lock is held, and lets go of both."""
        try:
            await slot.empty()
        finally:
            slot.lock.release()
            self._slots.forget(slot)
            await self.changed()


def _oldest(idle: list[Slot]) -> Slot:
    return min(idle, key=lambda slot: slot.used_at)
