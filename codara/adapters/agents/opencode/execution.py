"""The fall-back: one `opencode run --format json` process per turn."""

import re
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.execution import Execution
from codara.adapters.agents.lender import Lender
from codara.adapters.agents.lines import Lines, LineTooLong
from codara.adapters.agents.opencode.asking import SESSION_PREFIX
from codara.adapters.agents.opencode.causes import Retry
from codara.adapters.agents.opencode.parse import run_line
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.output import Exit, Output
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import RetryNotice
from codara.clock import Clock

Run = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_LOGGED = re.compile(rb'message="stream error".*?error\.error="(?:AI_\w+: )?((?:[^"\\]|\\.)*)')


class OpencodeExecution(Execution[OpencodeTurn]):
    """OpenCode by `run`."""

    def __init__(self, run: Run, *, lender: Lender, clock: Clock) -> None:
        super().__init__(lender=lender, clock=clock)
        self._run = run

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        """What is no session of opencode's makes it break; it is not asked for it."""
        if known is not None and not known.startswith(SESSION_PREFIX):
            return Outcome(status="failed", cause="unknown_session")
        return await super()._once(turn, sink, known)

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> OpencodeTurn:
        return OpencodeTurn(sink, run_line, self._clock)

    async def _exit(self, output: Output, current: OpencodeTurn, jail: Jail) -> Exit:
        """opencode itself would ask again for ever."""
        jail.listen_to_stderr(Complaints(current).heard)
        output.when_ended(current.decided.set)
        await current.decided.wait()
        if output.alive:
            await jail.kill("the turn had failed")
        found = await output.ended()
        current.reading = attrs.evolve(current.reading, answered=found.code == 0)
        return found


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
