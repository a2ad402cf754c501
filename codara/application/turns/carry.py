"""Carries a turn from its request to its end; whatever happens on the way, an end is recorded."""

import logging
from contextlib import ExitStack
from functools import partial

import attrs

from codara.application.ports.agents import Outcome
from codara.application.turns.abandoned import end_lost
from codara.application.turns.agent import prepare_agent
from codara.application.turns.aside import leave_nothing
from codara.application.turns.commands import TurnResult
from codara.application.turns.context import Context
from codara.application.turns.finish import Finish
from codara.application.turns.refuse import refuse
from codara.application.turns.run import NotStarted, Run, Stopped
from codara.application.turns.sink import AgentSink
from codara.application.turns.staging import stage, unstage
from codara.application.turns.start import start
from codara.application.turns.until_written import lasting
from codara.application.turns.waiting import Line
from codara.application.turns.work import work
from codara.errors import CodaraError, Conflict, Internal, VersionClash

logger = logging.getLogger(__name__)

_START_TRIES = 20


async def carry(context: Context, run: Run, line: Line) -> None:
    """Works in the place that the turn has, gives it back, and tells the listeners how it ended."""
    try:
        run.end(await _result(context, run, line))
        if run.command.aside:
            await leave_nothing(context, run.asked.workspace_id)
    finally:
        line.leave(run.wanted)


async def _result(context: Context, run: Run, line: Line) -> TurnResult | CodaraError:
    try:
        return await Carriage(context, run, line).carried()
    except CodaraError as error:
        return error
    except Exception:
        logger.exception("the end of task %s could not be recorded", run.asked.turn_id)
        return _defect(run)


@attrs.define
class Carriage:
    """One turn on its way, and what it holds in memory until its end is recorded."""

    context: Context
    run: Run
    line: Line
    heard: AgentSink | None = None
    held: ExitStack = attrs.field(factory=ExitStack)

    async def carried(self) -> TurnResult | CodaraError:
        """Returns how the turn ended.

        Whatever goes wrong before there is an end is one. It raises only if the log takes none.
        """
        with self.held:
            self.held.callback(self._give_back)
            try:
                return await self._from_start_to_end()
            except Exception as reason:
                return await self._ended_early(reason)

    async def _from_start_to_end(self) -> TurnResult | CodaraError:
        context, run = self.context, self.run
        until = run.began + context.limits.queue_timeout
        run.mark("queue", run.began)
        if run.command.aside:
            await leave_nothing(context, run.asked.workspace_id)
        prepare_agent(context, run)
        await stage(context, run)
        outcome, refusal = await self._worked(until)
        await unstage(context, run)
        if run.running is None or self.heard is None:
            raise RuntimeError("a turn ends after it has started")
        end = Finish(
            context=context,
            run=run,
            running=run.running,
            heard=self.heard,
            outcome=outcome,
            refusal=refusal,
        )
        return await end.finish()

    async def _worked(self, until: float) -> tuple[Outcome, CodaraError | None]:
        """The turn from its start on; once more where somebody else took what it needed."""
        context, run, line = self.context, self.run, self.line
        for _ in range(_START_TRIES):
            await start(context, run, line, until)
            self.heard = AgentSink.of(context, run)
            try:
                return await work(context, run, line, self.heard)
            except NotStarted as lost:
                self._take_back()
                if not isinstance(lost.reason, VersionClash):
                    raise lost.reason from lost
        raise Conflict("Too many turns start at once with what this one needs. Try again.")

    def _take_back(self) -> None:
        """The start that was decided came to nothing."""
        self._give_leases_back()
        self.run.running = self.run.starting = self.heard = None

    def _give_back(self) -> None:
        """An aside keeps its place in the line until nothing of it is left there."""
        self._give_leases_back()
        if not self.run.command.aside:
            self.line.leave(self.run.wanted)

    def _give_leases_back(self) -> None:
        for lease in self.run.running.leases if self.run.running else ():
            self.context.slots.give(lease)

    async def _ended_early(self, reason: Exception) -> CodaraError:
        """Not started, the turn is refused; after that, it is as lost as one of a lost gateway."""
        context, run, error = self.context, self.run, self._told(reason)
        await unstage(context, run)
        if run.running is None:
            return await refuse(context, run, error)
        asked = run.asked
        lost = partial(end_lost, context, asked.session_id, asked.turn_id, error, run.cause)
        await lasting(run, lost)
        if self.heard:
            self.heard.spool.remove()
        return error

    def _told(self, reason: Exception) -> CodaraError:
        """What the caller hears; the rest is for the operator's log."""
        if isinstance(reason, Stopped):
            return Internal("The task was stopped.")
        if isinstance(reason, CodaraError) and self.run.running is None:
            return reason
        logger.error("task %s ended by a defect", self.run.asked.turn_id, exc_info=reason)
        return _defect(self.run)


def _defect(run: Run) -> Internal:
    return Internal(
        "The gateway failed. The details are in its log.", retry_safe=run.running is None
    )
