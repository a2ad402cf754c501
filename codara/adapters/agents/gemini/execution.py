"""The fall-back: one ``gemini -o stream-json`` per turn, the prompt on its standard input."""

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.gemini.acp import FRESH_THREAD, PATIENCE
from codara.adapters.agents.gemini.lender import Lender
from codara.adapters.agents.gemini.outcome import Ending, outcome_of
from codara.adapters.agents.gemini.parse import stream_line
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.output import Exit, Output
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import Warned
from codara.clock import Clock

Launch = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_COMMANDS = ("/", "?")
_AS_TEXT = "The message:\n"


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
        """One process; a second one in a fresh session where the first knew no such session."""
        outcome = await self._once(turn, sink, turn.backend_id)
        if outcome.cause == "unknown_session" and outcome.backend_id is None:
            sink.frame(Warned(FRESH_THREAD))
            again = attrs.evolve(turn, prompt=turn.fresh_prompt)
            outcome = await self._once(again, sink, None)
        return outcome

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _once(self, turn: AgentTurn, sink: FrameSink, session_id: str | None) -> Outcome:
        current = GeminiTurn(sink, stream_line, self._clock)
        jail = await self._launch(turn, session_id)
        try:
            ending = await self._ending(turn, current, jail, session_id)
        finally:
            await to_the_end(jail.close(grace=0))
        current.complain()
        return outcome_of(current.reading, current.overhear(ending))

    async def _ending(
        self, turn: AgentTurn, current: GeminiTurn, jail: Jail, session_id: str | None
    ) -> Ending:
        ending = Ending(expected=session_id, jailed=jail.jailed)
        jail.broker.lend(await self._lender.lend(turn, current))
        output = Output(jail, current.heard)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                jail.stdin.write(_prompt(turn.prompt))
                jail.stdin.close()
                found = await output.ended()
        except TimeoutError:
            await jail.kill(watch.reason)
            return attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
        except asyncio.CancelledError:
            await to_the_end(jail.kill("cancelled"))
            raise
        return _with_exit(ending, found)


def _prompt(text: str) -> bytes:
    """What would be one of gemini's own commands is marked as a message."""
    safe = _AS_TEXT + text if text.lstrip().startswith(_COMMANDS) else text
    return safe.encode("utf-8", "replace")


def _with_exit(ending: Ending, found: Exit) -> Ending:
    if found.too_long:
        return attrs.evolve(ending, stopped="protocol", message="a line without end")
    return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)
