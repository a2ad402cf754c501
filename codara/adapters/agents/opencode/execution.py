"""The fall-back: one `opencode run --format json` process per turn, prompt on standard input."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.lines import Lines, LineTooLong
from codara.adapters.agents.opencode.asking import SESSION_PREFIX
from codara.adapters.agents.opencode.causes import Retry
from codara.adapters.agents.opencode.lender import Lender
from codara.adapters.agents.opencode.outcome import Ending, outcome_of
from codara.adapters.agents.opencode.parse import run_line
from codara.adapters.agents.opencode.server import FRESH_THREAD, PATIENCE
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.output import Exit, Output
from codara.adapters.agents.watch import Watch, to_the_end
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import RetryNotice, Warned
from codara.clock import Clock

Launch = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_LOGGED = re.compile(rb'message="stream error".*?error\.error="(?:AI_\w+: )?((?:[^"\\]|\\.)*)')


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
        known = turn.backend_id
        if known is None or known.startswith(SESSION_PREFIX):
            outcome = await self._once(turn, sink, known)
        else:
            outcome = Outcome(status="failed", cause="unknown_session")
        if outcome.cause == "unknown_session" and outcome.backend_id is None:
            sink.frame(Warned(FRESH_THREAD))
            again = attrs.evolve(turn, prompt=turn.fresh_prompt)
            outcome = await self._once(again, sink, None)
        return outcome

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    async def _once(self, turn: AgentTurn, sink: FrameSink, session_id: str | None) -> Outcome:
        current = OpencodeTurn(sink, run_line, self._clock)
        jail = await self._launch(turn, session_id)
        try:
            ending = await self._ending(turn, current, jail, session_id)
        finally:
            await to_the_end(jail.close(grace=0))
        current.complain()
        return outcome_of(current.reading, ending)

    async def _ending(
        self, turn: AgentTurn, current: OpencodeTurn, jail: Jail, session_id: str | None
    ) -> Ending:
        ending = Ending(expected=session_id, jailed=jail.jailed)
        jail.broker.lend(await self._lender.lend(turn, current))
        jail.listen_to_stderr(Complaints(current).heard)
        output = Output(jail, current.heard)
        output.when_ended(current.decided.set)
        watch = Watch(turn, self._clock)
        try:
            async with watch:
                current.watched_by(watch)
                jail.stdin.write(turn.prompt.encode("utf-8", "replace"))
                jail.stdin.close()
                await current.decided.wait()
        except TimeoutError:
            await jail.kill(watch.reason)
            return attrs.evolve(ending, stopped=watch.reason, message=PATIENCE[watch.reason])
        except asyncio.CancelledError:
            await to_the_end(jail.kill("cancelled"))
            raise
        if not output.done:
            await jail.kill("the turn had failed")
        return _with_exit(current, ending, await output.ended())


class Complaints:
    """Reads from stderr what ``run`` says nowhere else: that a request failed and is sent anew."""

    def __init__(self, current: OpencodeTurn) -> None:
        self._current = current
        self._lines = Lines()
        self._failures = self._steps = 0

    def heard(self, piece: bytes) -> None:
        try:
            lines = self._lines.feed(piece)
        except LineTooLong:
            self._lines, lines = Lines(), []
        for line in lines:
            logged = _LOGGED.search(line)
            if logged is not None:
                self._failed(logged[1].decode("utf-8", "replace"))

    def _failed(self, message: str) -> None:
        current, steps = self._current, len(self._current.reading.counted)
        self._failures = self._failures + 1 if steps == self._steps else 1
        self._steps = steps
        retry = Retry(self._failures, message)
        current.reading = attrs.evolve(current.reading, retry=retry)
        current.say(RetryNotice(message))
        current.tried(retry)


def _with_exit(current: OpencodeTurn, ending: Ending, found: Exit) -> Ending:
    reading = current.reading
    ending = attrs.evolve(ending, retry_at=current.retry_at)
    if current.given_up is not None:
        told = reading.retry.message if reading.retry else ""
        return attrs.evolve(ending, stopped=current.given_up, message=told)
    if found.too_long:
        return attrs.evolve(ending, stopped="protocol", message="a line without end")
    current.reading = attrs.evolve(reading, answered=found.code == 0)
    return attrs.evolve(ending, exit_code=found.code, stderr=found.stderr)
