"""A follower that reaches outside: every delivery has its own tries and its own end."""

import asyncio
from collections.abc import Sequence
from typing import Generic, Protocol

from codara.errors import ShuttingDown
from codara.events.store.feeder import errors_for_strays
from codara.events.store.follower import P, P_contra, words_of

TRIES = 6
"""With the pauses of a `Feeder` between them the last one comes after half a minute."""
TRY_SECONDS = 30.0


class Courier(Protocol[P_contra]):
    """Brings events to somebody outside, and remembers how far it has come.

    A delivery may come twice when the process dies between it and `keep`; its receiver can tell
    by the event's id.
    """

    @property
    def name(self) -> str: ...

    @property
    def position(self) -> int:
        """Tells which position was kept last, by whichever process."""

    def wants(self, event: P_contra, /) -> bool:
        """Returns true where the event is to be delivered."""

    async def deliver(self, event: P_contra, /) -> None:
        """Brings the event outside; raises what kept it from getting there."""

    async def give_up(self, event: P_contra, why: str, /) -> None:
        """Records that the event was not delivered, and will not be."""

    async def keep(self, position: int, /) -> None:
        """Keeps the position durably: up to here each delivery has had its end."""


class Outward(Generic[P]):
    """A follower (`Feeder(…, essential=False)`) that moves on whatever becomes of a delivery.

    A delivery that fails is tried again after the feeder's rest, up to `tries` times in all, each
    for up to `seconds`; then it is given up. Meanwhile later events wait, in their order: where
    several receivers are to be served, each has a follower of its own.
    """

    def __init__(
        self, courier: Courier[P], *, tries: int = TRIES, seconds: float = TRY_SECONDS
    ) -> None:
        self.name = courier.name
        self._courier = courier
        self._tries = tries
        self._seconds = seconds
        self._ended = courier.position
        self._failed = 0
        self._why = ""

    @property
    def position(self) -> int:
        """Tells up to where each delivery has had its end, durably."""
        return self._courier.position

    async def take(self, batch: Sequence[P]) -> None:
        """Delivers what is wanted of the batch; raises why a delivery failed that has tries left.

        What has had its end is not delivered again by this process, even where it was not kept.
        """
        for event in batch:
            if event.position <= self._ended:
                continue
            told = await self._bring_to_its_end(event)
            self._ended, self._failed = event.position, 0
            if told:
                await self._courier.keep(event.position)
        if self.position < self._ended:
            await self._courier.keep(self._ended)

    async def _bring_to_its_end(self, event: P) -> bool:
        """Returns false where nobody wants the event: then it needs no end of its own."""
        if self._failed < self._tries:
            try:
                return await self._delivered(event)
            except ShuttingDown:
                raise
            except Exception as error:
                self._failed += 1
                self._why = words_of(error)
                if self._failed < self._tries:
                    raise
        await self._courier.give_up(event, self._why)
        return True

    async def _delivered(self, event: P) -> bool:
        if not self._courier.wants(event):
            return False
        with errors_for_strays():
            async with asyncio.timeout(self._seconds):
                await self._courier.deliver(event)
        return True
