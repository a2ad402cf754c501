"""Work: the agent runs; on another account, or in a fresh process, while nothing came of it."""

import logging
from functools import partial

import attrs

from codara.application.ports.agents import Outcome
from codara.application.turns import failures
from codara.application.turns.agent import run_agent
from codara.application.turns.context import Context
from codara.application.turns.lending import Reservation, is_another_free, lendable
from codara.application.turns.run import NotStarted, Run, RunningState, Stopped
from codara.application.turns.sink import AgentSink
from codara.application.turns.waiting import Line
from codara.domain.turns import takeover
from codara.errors import (
    AgentFailed,
    AgentMissing,
    CodaraError,
    JailUnavailable,
    Overloaded,
    VersionClash,
)
from codara.events import streams
from codara.events.session import TurnRetried

logger = logging.getLogger(__name__)

_OF_THE_ACCOUNT = frozenset(
    {
        "auth_failed",
        "quota_exhausted",
        "rate_limited",
        "overloaded",
        "unreachable",
        "account_gone",
    }
)
"""Failures that another account may not have."""


@attrs.frozen(kw_only=True)
class Attempt:
    """One run of the agent; `died`: its process ended in the middle."""

    outcome: Outcome
    died: bool = False


@attrs.define(kw_only=True)
class Work:
    """The agent's part of a turn.

    `refusal` is why no account can be lent after the turn's own has failed.
    """

    context: Context
    run: Run
    line: Line
    heard: AgentSink
    refusal: CodaraError | None = None
    _tried: set[str] = attrs.field(factory=set, init=False)
    _retried: bool = attrs.field(default=False, init=False)

    async def done(self) -> Outcome:
        """How the agent ended: the last one of those that were tried; NotStarted if none was."""
        while True:
            attempt = await self._attempt()
            await self.run.permitted()
            self.run.mark("agent", self.run.started_at)
            if not await self._goes_on(attempt):
                return attempt.outcome
            self.heard.again()

    async def _attempt(self) -> Attempt:
        """However the agent ends: nothing of it may keep a started turn from being finished."""
        try:
            outcome = await self.run.interruptible(
                run_agent(self.context, self.run, self.heard, self._may_go_elsewhere)
            )
        except NotStarted:
            raise
        except Stopped:
            return Attempt(outcome=Outcome(status="interrupted", cause="killed"))
        except JailUnavailable as error:
            return Attempt(outcome=_failed("jail", error.message))
        except Overloaded as error:
            return Attempt(outcome=_failed("no_process", error.message))
        except AgentMissing as error:
            return Attempt(outcome=_failed("no_program", error.message))
        except AgentFailed as error:
            failed = _failed(error.cause or "crashed", error.message)
            return Attempt(outcome=failed, died=error.cause == "crashed")
        except Exception:
            logger.exception("the agent of task %s ended by a defect", self.run.asked.turn_id)
            return Attempt(outcome=_failed("crashed"))
        return Attempt(outcome=outcome, died=outcome.cause == "crashed")

    async def _may_go_elsewhere(self) -> bool:
        """Whether another account could take the turn now, and nothing has come of it yet."""
        running = self.run.running
        if running is None or self.heard.something_came:
            return False
        besides = {*self._tried, running.choice.account_id}
        return await is_another_free(self.context, self.run.command.provider, besides)

    async def _goes_on(self, attempt: Attempt) -> bool:
        outcome, running = attempt.outcome, self.run.running
        if running is None or outcome.status != "failed":
            return False
        of_the_account = outcome.cause in _OF_THE_ACCOUNT
        if not of_the_account and (self._retried or not attempt.died):
            return False
        if await self._untouched(running):
            again = self._changed(running, outcome) if of_the_account else self._again(outcome)
            return await again
        if of_the_account:
            self.refusal = await self._refusal(running, outcome)
        return False

    async def _refusal(self, running: RunningState, outcome: Outcome) -> CodaraError | None:
        """Why no account could take the turn; None if one could, but for what has come of it."""
        context = self.context
        self._tried.add(running.choice.account_id)
        with Reservation(context.slots) as reservation:
            ask = await self._ask(running, outcome, reservation)
            states = {each: await context.deciding.state(each) for each in ask.streams()}
        return takeover.tally_after(states, ask).refusal(ask.now)

    async def _untouched(self, running: RunningState) -> bool:
        """No delta was heard, no tool has started, and the tree is what it was."""
        if self.heard.something_came or self.context.clock() >= running.until:
            return False
        asked = self.run.asked
        try:
            now = await self.context.workspaces.snapshot(asked.workspace_id, asked.folder)
        except (CodaraError, OSError):
            return False
        same = now.tree == running.baseline and not now.partial and not running.partial
        return same and self.run.cancel_cause is None

    async def _again(self, outcome: Outcome) -> bool:
        """Records that a fresh process gets the turn; once is enough."""
        self._retried = True
        asked = self.run.asked
        retried = TurnRetried(
            session_id=asked.session_id, turn_id=asked.turn_id, cause=outcome.cause or ""
        )
        decision = partial(takeover.retry, retried=retried)
        try:
            decided = await self.context.deciding.decide(
                [streams.session(asked.session_id)], decision, self.run.cause
            )
        except (CodaraError, VersionClash) as error:
            logger.warning("task %s is not run again: %s", asked.turn_id, error)
            return False
        return decided.position is not None

    async def _changed(self, running: RunningState, outcome: Outcome) -> bool:
        """Moves the turn to the next account; False if no account is left."""
        context, asked = self.context, self.run.asked
        self._tried.add(running.choice.account_id)
        stream = streams.session(asked.session_id)
        with Reservation(context.slots) as reservation:
            ask = await self._ask(running, outcome, reservation)
            decision = partial(takeover.change, ask=ask)
            try:
                decided = await context.deciding.decide(ask.streams(), decision, self.run.cause)
            except CodaraError as refusal:
                self.refusal = refusal
                return False
            except VersionClash as clash:
                logger.warning("task %s keeps its account: %s", asked.turn_id, clash)
                return False
            if decided.position is None:
                return False
            now = decided.states[stream].turn.started
            reservation.keep(now.leases)
        context.slots.give(ask.account_lease)
        self.line.returned()
        self.run.running = attrs.evolve(running, choice=now.account_chosen, leases=now.leases)
        return True

    async def _ask(
        self, running: RunningState, outcome: Outcome, reservation: Reservation
    ) -> takeover.Takeover:
        context, asked, provider = self.context, self.run.asked, self.run.command.provider
        now, quota = context.clock(), self.heard.quota
        pool = await lendable(context, provider, reservation)
        return takeover.Takeover(
            turn_id=asked.turn_id,
            session_id=asked.session_id,
            provider=provider,
            failed=running.choice.account_id,
            tried=frozenset(self._tried),
            cause=outcome.cause or "",
            health=failures.lesson(outcome, now=now, cooldown=context.limits.cooldown),
            quota=failures.windows(quota),
            quota_source=quota.source if quota else "",
            accounts=pool.accounts,
            others=pool.others,
            floor=context.limits.primary_floor,
            now=now,
            until=running.until,
            leases=running.leases,
        )


def _failed(cause: str, message: str = "") -> Outcome:
    return Outcome(status="failed", cause=cause, message=message)


async def work(
    context: Context, run: Run, line: Line, heard: AgentSink
) -> tuple[Outcome, CodaraError | None]:
    """Lets the agent work, and `heard` listen: how it ended, and why nobody took over.

    NotStarted if the turn's start did not come to the disk.
    """
    doing = Work(context=context, run=run, line=line, heard=heard)
    return await doing.done(), doing.refusal
