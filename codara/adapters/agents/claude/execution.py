"""The fall-back: one `claude -p` process per turn, the prompt on its standard input."""

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.claude.config import spoken
from codara.adapters.agents.claude.lender import Lender
from codara.adapters.agents.claude.outcome import Ending, outcome_of
from codara.adapters.agents.claude.session import FRESH_THREAD, PATIENCE
from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.output import Exit, Output
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import Warned
from codara.clock import Clock

Launch = Callable[[AgentTurn, str | None], Awaitable[tuple[Jail, str]]]
"""Starts the process of a turn, for a thread to resume or, with None, a fresh one; names it."""


class Execution:
    """A session that holds no process between its turns."""

    keeps = False

    def __init__(self, launch: Launch, *, lender: Lender, clock: Clock) -> None:
        self._launch = launch
        self._lender = lender
        self._clock = clock
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def serves(self, turn: AgentTurn) -> bool:
        return False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """One process; a second one in a fresh thread where the first knew no such thread."""
        outcome = await self._once(turn, sink, turn.backend_id)
        if outcome.cause == "unknown_session" and turn.backend_id is not None:
            sink.frame(Warned(FRESH_THREAD))
            again = attrs.evolve(turn, prompt=turn.fresh_prompt)
            outcome = await self._once(again, sink, None)
        return outcome

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        current = ClaudeTurn(sink, self._clock)
        jail, thread_id = await self._launch(turn, known)
        try:
            ending = await self._ending(turn, current, jail, thread_id)
        finally:
            await to_the_end(jail.close(grace=0))
        current.complain()
        return outcome_of(current.reading, ending)

    async def _ending(
        self, turn: AgentTurn, current: ClaudeTurn, jail: Jail, thread_id: str
    ) -> Ending:
        ending = Ending(expected=thread_id, jailed=jail.jailed)
        jail.broker.lend(await self._lender.lend(turn, current))
        output = Output(jail, current.heard)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                jail.stdin.write(spoken(turn.prompt).encode("utf-8", "replace"))
                jail.stdin.close()
                found = await output.ended()
        except TimeoutError:
            await jail.kill(watch.reason)
            return attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
        except asyncio.CancelledError:
            await to_the_end(jail.kill("cancelled"))
            raise
        ending = attrs.evolve(ending, retry_at=current.retry_at, used_up=current.used_up)
        return _with_exit(ending, found)


def _with_exit(ending: Ending, found: Exit) -> Ending:
    if found.too_long:
        return attrs.evolve(ending, stopped="protocol", message="a line without end")
    return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)
