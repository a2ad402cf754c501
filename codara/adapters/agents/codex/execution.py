"""The fall-back: one `codex exec --json` process per turn."""

from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.codex.forgetting import Forgotten
from codara.adapters.agents.codex.parse import exec_line
from codara.adapters.agents.codex.reading import CodexReading
from codara.adapters.agents.codex.rollouts import Look, Noted
from codara.adapters.agents.codex.told import ToldInstructions
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.home.copying import Copy
from codara.adapters.agents.session.execution import Around, Execution
from codara.adapters.agents.session.launched import Launched
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome

Run = Callable[[AgentTurn, str | None], Awaitable[Launched]]
"""Starts the process of a turn, for a thread to resume or, with None, a fresh one."""


class CodexExecution(Execution[CodexTurn]):
    """Codex by `exec`, which counts tokens over a thread's whole life: `before` is where it was.

    `exec` copies threads as they are now, and not as they were: `copy` does it.
    """

    def __init__(
        self,
        run: Run,
        look: Look,
        copy: Copy,
        around: Around,
        *,
        told: ToldInstructions,
        forgotten: Forgotten,
    ) -> None:
        super().__init__(around)
        self._forgotten = forgotten
        self._run = run
        self._look = look
        self._copy = copy
        self._begins = False
        self._before: Noted | None = None
        self._told = told

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        return await super().run(await self._forgotten.without(turn), sink)

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        """A thread keeps the instructions it began with: changes go in front of the prompt."""
        change = await self._told.change(known, turn.instructions) if known is not None else ""
        if change:
            turn = attrs.evolve(turn, prompt=f"{change}\n\n{turn.prompt}")
        return await super()._once(turn, sink, known)

    async def _copied(self, turn: AgentTurn) -> str | None:
        copy = await self._copy(turn)
        if copy is not None and turn.fork is not None:
            await self._told.inherit(copy, turn.fork.backend_id)
        return copy

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> CodexTurn:
        current = CodexTurn(sink, exec_line, self._clock)
        self._begins = known is None
        self._before = Noted() if known is None else await self._look(known)
        current.reading = CodexReading(total=self._before.total if self._before else None)
        return current

    async def _over(self, turn: AgentTurn, current: CodexTurn) -> None:
        reading = current.reading
        if reading.thread_id is None:
            return
        if reading.heard or current.has_ended:
            await self._told.note(reading.thread_id, turn.instructions, begins=self._begins)
        noted = await self._look(reading.thread_id) if self._before is not None else None
        if noted is None or self._before is None or noted.turn_id == self._before.turn_id:
            return
        current.mark = noted.turn_id
        if not current.is_counted:
            current.settle(noted)
