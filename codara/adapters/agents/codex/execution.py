"""The fall-back: one `codex exec --json` process per turn, the prompt on its standard input."""

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.codex.appserver import FRESH_THREAD, PATIENCE
from codara.adapters.agents.codex.lender import Lender
from codara.adapters.agents.codex.outcome import Ending, outcome_of
from codara.adapters.agents.codex.parse import exec_line
from codara.adapters.agents.codex.reading import Reading, Tokens
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.output import Exit, Output
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import Warned
from codara.clock import Clock

Launch = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a thread to resume or, with None, a fresh one."""


@attrs.frozen
class Counts:
    """The token counts of a home's threads, which `exec` reports over a thread's whole life."""

    recall: Callable[[AgentTurn], Awaitable[dict[str, list[int]]]]
    remember: Callable[[AgentTurn, dict[str, list[int]]], Awaitable[None]]


class Execution:
    """A session that holds no process between its turns."""

    keeps = False

    def __init__(self, launch: Launch, *, lender: Lender, counts: Counts, clock: Clock) -> None:
        self._launch = launch
        self._lender = lender
        self._counts = counts
        self._clock = clock
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def serves(self, turn: AgentTurn) -> bool:
        return False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """One process; a second one in a fresh thread where the first knew no such thread."""
        outcome = await self._once(turn, sink, turn.backend_id)
        if outcome.cause == "unknown_session" and outcome.backend_id is None:
            sink.frame(Warned(FRESH_THREAD))
            again = attrs.evolve(turn, prompt=turn.fresh_prompt)
            outcome = await self._once(again, sink, None)
        return outcome

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _once(self, turn: AgentTurn, sink: FrameSink, thread_id: str | None) -> Outcome:
        current = CodexTurn(sink, exec_line, self._clock)
        counts = await self._counts.recall(turn)
        known = counts.get(thread_id or "")
        current.reading = Reading(total=Tokens(*known) if known else _start(thread_id))
        jail = await self._launch(turn, thread_id)
        try:
            ending = await self._ending(turn, current, jail, thread_id)
        finally:
            await to_the_end(jail.close(grace=0))
        current.complain()
        reading = current.reading
        if reading.thread_id is not None and reading.total is not None:
            counts[reading.thread_id] = list(attrs.astuple(reading.total))
            await self._counts.remember(turn, counts)
        return outcome_of(reading, ending)

    async def _ending(
        self, turn: AgentTurn, current: CodexTurn, jail: Jail, thread_id: str | None
    ) -> Ending:
        ending = Ending(expected=thread_id, jailed=jail.jailed)
        jail.broker.lend(await self._lender.lend(turn, current))
        output = Output(jail, current.heard)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                jail.stdin.write(turn.prompt.encode("utf-8", "replace"))
                jail.stdin.close()
                found = await output.ended()
        except TimeoutError:
            await jail.kill(watch.reason)
            return attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
        except asyncio.CancelledError:
            await to_the_end(jail.kill("cancelled"))
            raise
        return _with_exit(attrs.evolve(ending, retry_at=current.retry_at), found)


def _start(thread_id: str | None) -> Tokens | None:
    return Tokens() if thread_id is None else None


def _with_exit(ending: Ending, found: Exit) -> Ending:
    if found.too_long:
        return attrs.evolve(ending, stopped="protocol", message="a line without end")
    return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)
