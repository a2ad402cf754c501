"""Submitting a turn: it may have to wait for its place, and its client may leave meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from codara.application.turns.commands import RunTurn
from codara.http.services import HeldTurn, RunsTurns

PATIENT_SECONDS = 10.0
"""A stream that has waited for this many seconds begins, with comments."""


class Submission:
    """A turn that is being submitted."""

    def __init__(self, task: asyncio.Task[HeldTurn]) -> None:
        self._task = task
        self._taken = False

    async def is_soon(self) -> bool:
        """Tells whether the turn is admitted or refused within 10 s."""
        done, _ = await asyncio.wait({self._task}, timeout=PATIENT_SECONDS)
        return bool(done)

    async def handle(self) -> HeldTurn:
        """Returns the turn, to be entered at once; raises the error with which it is refused."""
        handle = await self._task
        self._taken = True
        return handle

    async def let_go(self) -> None:
        """Gives the turn up, as its client has left: it loses its place, or its only listener."""
        if self._taken:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled() and self._task.exception() is None:
            async with self._task.result():
                pass


@asynccontextmanager
async def submitted(turns: RunsTurns, command: RunTurn) -> AsyncIterator[Submission]:
    """Submits a turn and gives its submission to the block; if the block fails, gives it up."""
    submission = Submission(asyncio.create_task(turns.submit(command)))
    try:
        yield submission
    except BaseException:
        await submission.let_go()
        raise
