"""The fall-back: one `opencode run --format json` process per turn."""

import re
from collections.abc import Awaitable, Callable, Mapping

import attrs

from codara.adapters.agents.home.copying import Copy
from codara.adapters.agents.opencode.asking import SESSION_PREFIX, UNREADABLE
from codara.adapters.agents.opencode.causes import Retry
from codara.adapters.agents.opencode.parse import run_line
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.session.execution import Around, Execution
from codara.adapters.agents.session.launched import Launched
from codara.adapters.agents.session.lines import Lines, LineTooLong
from codara.adapters.agents.session.output import Exit, Output
from codara.adapters.egress.lending import Lending
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import RetryNotice, ToolStarted
from codara.clock import Clock

Run = Callable[[AgentTurn, str | None], Awaitable[Launched]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_UNTOLD = ToolStarted("untold", "unknown", "what a step may have begun")
_LOGGED = re.compile(rb'message="stream error".*?error\.error="(?:AI_\w+: )?((?:[^"\\]|\\.)*)')


class OpenCodeRun(OpencodeTurn):
    """Counts the failed requests of a step: ``run`` itself tells of none and would never stop."""

    def __init__(self, sink: FrameSink, clock: Clock) -> None:
        super().__init__(sink, run_line, clock)
        self._failures = self._steps = 0
        self._broke_off = False

    def failed(self, message: str) -> None:
        """A request failed; what its answer's breaking off told already is told once."""
        if self._broke_off:
            self._broke_off = False
            return
        steps = len(self.reading.counted)
        self._failures = self._failures + 1 if steps == self._steps else 1
        self._steps = steps
        retry = Retry(self._failures, message)
        self.reading = attrs.evolve(self.reading, retry=retry)
        self.say(RetryNotice(message))
        self.tried(retry)

    def _lent(self, base_url: str, secret: str) -> Lending:
        return attrs.evolve(super()._lent(base_url, secret), broken=self._broken)

    def _observe(self, status: int, headers: Mapping[str, str]) -> None:
        self._broke_off = False
        super()._observe(status, headers)

    def _broken(self) -> None:
        self.failed("the model's answer broke off")
        self._broke_off = True


class OpencodeExecution(Execution[OpenCodeRun]):
    """OpenCode by `run`; `completed` hears of each model with which a turn completed.

    `run` copies sessions as they are now, and not as they were: `copy` does it.
    """

    def __init__(
        self, run: Run, copy: Copy, around: Around, completed: Callable[[str], None]
    ) -> None:
        super().__init__(around)
        self._run = run
        self._copy = copy
        self._completed = completed

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        outcome = await super().run(turn, sink)
        if outcome.status == "completed":
            self._completed(turn.model)
        return outcome

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        """What is no session of opencode's makes it break; it is not asked for it."""
        if known is not None and not known.startswith(SESSION_PREFIX):
            return Outcome(status="failed", cause="unknown_session")
        outcome = await super()._once(turn, sink, known)
        if turn.images and outcome.cause == "protocol":
            return attrs.evolve(outcome, message=outcome.message + UNREADABLE)
        return outcome

    async def _copied(self, turn: AgentTurn) -> str | None:
        return await self._copy(turn)

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> OpenCodeRun:
        return OpenCodeRun(sink, self._clock)

    async def _exit(self, output: Output, current: OpenCodeRun, jail: Jail) -> Exit:
        """opencode itself would ask again for ever."""
        jail.listen_to_stderr(Complaints(current).heard)
        output.when_ended(current.decided.set)
        await current.decided.wait()
        if output.alive:
            await jail.kill("the turn had failed")
        found = await output.ended()
        current.reading = attrs.evolve(current.reading, answered=found.code == 0)
        return found

    async def _over(self, turn: AgentTurn, current: OpenCodeRun) -> None:
        """One that died in the middle of a step may have begun something: nobody does it twice."""
        if current.reading.stepping and not current.has_ended:
            current.say(_UNTOLD)


class Complaints:
    """Reads from stderr what ``run`` says nowhere else: that a request failed and is sent again."""

    def __init__(self, current: OpenCodeRun) -> None:
        self._current = current
        self._lines = Lines()

    def heard(self, piece: bytes) -> None:
        try:
            lines = self._lines.feed(piece)
        except LineTooLong:
            self._lines, lines = Lines(), []
        for line in lines:
            logged = _LOGGED.search(line)
            if logged is not None:
                self._current.failed(logged[1].decode("utf-8", "replace"))
