"""The patience of the gateway with one turn: a limit for the whole, another for silence."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from codara.application.ports.agents import AgentTurn
from codara.clock import Clock


class Watch:
    """An ``async with`` block that ends with TimeoutError when the turn has used up its time.

    `reason` then says why: `timeout` (the whole turn), `stalled` (no progress), or the cause for
    which it was given up.
    """

    def __init__(self, turn: AgentTurn, clock: Clock) -> None:
        self._loop = asyncio.get_running_loop()
        left = (turn.until - clock()).total_seconds()
        self._end = self._loop.time() + left
        self._patience = turn.stall_timeout
        self._armed = self._next()
        self._timeout = asyncio.timeout_at(self._armed)
        self._watching = False
        self._given_up = ""

    @property
    def reason(self) -> str:
        if self._given_up:
            return self._given_up
        return "timeout" if self._armed >= self._end else "stalled"

    def progress(self) -> None:
        """The agent got on: the time for silence begins again."""
        if self._given_up:
            return
        if self._patience and self._watching and not self._timeout.expired():
            self._armed = self._next()
            self._timeout.reschedule(self._armed)

    def give_up(self, cause: str) -> None:
        """Ends the block now, for this cause, unless it has ended."""
        if self._watching and not self._timeout.expired():
            self._given_up = cause
            self._timeout.reschedule(self._loop.time())

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._watching = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watching = False
        await self._timeout.__aexit__(kind, error, traceback)

    def _next(self) -> float:
        if not self._patience:
            return self._end
        return min(self._end, self._loop.time() + self._patience)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Runs a clean-up, which has bounds of its own, to its end even if we are cancelled meanwhile.

    The cancellation is raised afterwards.
    """
    task = asyncio.create_task(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:
            break
    if cancelled:
        raise asyncio.CancelledError
    task.result()
