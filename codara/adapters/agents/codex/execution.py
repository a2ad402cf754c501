"""The fall-back: one `codex exec --json` process per turn."""

from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.codex.parse import exec_line
from codara.adapters.agents.codex.reading import Reading, Tokens
from codara.adapters.agents.codex.told import Told
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.execution import Around, Execution
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome

Run = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a thread to resume or, with None, a fresh one."""


@attrs.frozen
class Counts:
    """The token counts of a home's threads, which `exec` reports over a thread's whole life."""

    recall: Callable[[], Awaitable[dict[str, list[int]]]]
    remember: Callable[[dict[str, list[int]]], Awaitable[None]]


class CodexExecution(Execution[CodexTurn]):
    """Codex by `exec`."""

    def __init__(self, run: Run, counts: Counts, told: Told, around: Around) -> None:
        super().__init__(around)
        self._run = run
        self._counts = counts
        self._told = told

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        """A thread keeps the instructions it began with: changes go in front of the prompt."""
        change = await self._told.change(known, turn.instructions) if known is not None else ""
        if change:
            turn = attrs.evolve(turn, prompt=f"{change}\n\n{turn.prompt}")
        return await super()._once(turn, sink, known)

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> CodexTurn:
        current = CodexTurn(sink, exec_line, self._clock)
        counted = (await self._counts.recall()).get(known or "")
        total = Tokens(*counted) if counted else None
        current.reading = Reading(total=Tokens() if known is None else total)
        return current

    async def _over(self, turn: AgentTurn, current: CodexTurn) -> None:
        reading = current.reading
        if reading.thread_id is None:
            return
        await self._told.note(reading.thread_id, turn.instructions)
        if reading.total is not None:
            counts = await self._counts.recall()
            counts[reading.thread_id] = list(attrs.astuple(reading.total))
            await self._counts.remember(counts)
