"""The turns that run: carried to their ends, joined, cancelled, ended when the gateway stops."""

import asyncio
from collections.abc import Mapping

import attrs

from codara.application.turns.beside import gives_way, repeats
from codara.application.turns.carry import carry
from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.handle import TurnHandle
from codara.application.turns.run import Run
from codara.application.turns.waiting import Line
from codara.domain.conversation import Offered
from codara.errors import Conflict, NotFound
from codara.events.base import Cause

_END_SECONDS = 15.0
"""How long the end of a cancelled turn may take."""


class RunningTurns:
    """Knows every turn that runs, by its id, and owns the tasks that carry them."""

    def __init__(self, context: Context, line: Line) -> None:
        self._context = context
        self._line = line
        self._runs: dict[str, Run] = {}
        self._carriers: set[asyncio.Task[None]] = set()

    def all(self) -> Mapping[str, Run]:
        """Shows the turns that run."""
        return self._runs

    def carry(self, run: Run) -> "asyncio.Task[None]":
        """Carries a turn that was requested to its end; the task is done once it has ended."""
        self._runs[run.asked.turn_id] = run
        carrier = asyncio.create_task(carry(self._context, run, self._line))
        self._carriers.add(carrier)
        carrier.add_done_callback(lambda done: self._carried(run, done))
        return carrier

    def _carried(self, run: Run, carrier: "asyncio.Task[None]") -> None:
        self._carriers.discard(carrier)
        self._runs.pop(run.asked.turn_id, None)

    def find(self, turn_id: str) -> Run | None:
        """Finds a turn that has not ended yet."""
        run = self._runs.get(turn_id)
        return None if run is None or run.over else run

    def repeated(self, command: RunTurn) -> Run | None:
        """Finds the turn that a request repeats, if its client says that it is a repetition.

        Of several that are the same it is one whose client has left, else the oldest that nobody
        has joined yet.
        """
        if not command.retry:
            return None
        same = [run for run in self._runs.values() if repeats(run, command)]
        left = (run for run in same if run.was_heard and not run.listeners)
        alone = (run for run in same if run.joined < 2)
        return next(left, None) or next(alone, None)

    async def join(self, run: Run) -> TurnHandle | None:
        """Adds a listener; None, once it is over, for a turn that somebody stopped.

        Conflict if that one does not end in time.
        """
        if run.cancel_cause is None:
            return TurnHandle(run)
        if await run.ends(_END_SECONDS):
            return None
        raise Conflict(
            f"Task {run.asked.turn_id}, which this request has begun, is being stopped. Try again.",
            retry_after=1.0,
        )

    async def end_unheard(self, command: RunTurn, offered: Offered, cause: Cause) -> None:
        """Ends turns whose clients have left, where the same caller goes on beside them."""
        left = [run for run in self._runs.values() if gives_way(run, command, offered)]
        for run in left:
            run.cancel("client_gone", cause)
        for run in left:
            await run.ends(_END_SECONDS)

    def cancel(self, turn_id: str, user_id: str | None, cause: Cause) -> None:
        """Stops a turn; NotFound if it does not run, or is not `user_id`'s (None: an operator)."""
        run = self.find(turn_id)
        if run is None or user_id not in (None, run.command.caller.user_id):
            raise NotFound(f"There is no running task {turn_id}.")
        run.cancel("requested", cause)

    async def close(self, drain_seconds: float) -> None:
        """Lets running turns end for `drain_seconds`, then cancels them."""
        await self._carriers_end(drain_seconds)
        for run in list(self._runs.values()):
            run.cancel("shutdown", attrs.evolve(run.cause, actor="system:gateway"))
        await self._carriers_end(_END_SECONDS)
        for carrier in set(self._carriers):
            carrier.cancel()
        await self._carriers_end(_END_SECONDS)

    async def _carriers_end(self, seconds: float) -> None:
        if self._carriers:
            await asyncio.wait(set(self._carriers), timeout=seconds)
