"""The fall-back: one `codex exec --json` process per turn."""

import hashlib
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.codex.parse import exec_line
from codara.adapters.agents.codex.reading import Reading
from codara.adapters.agents.codex.rollouts import Look, Noted
from codara.adapters.agents.codex.turn import CodexTurn
from codara.adapters.agents.execution import Execution
from codara.adapters.agents.lender import Lender
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.clock import Clock

Run = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a thread to resume or, with None, a fresh one."""

_FROM_NOW_ON = "Instructions from now on:\n"


@attrs.frozen
class Told:
    """Digests of the instructions a home's threads were told last."""

    recall: Callable[[], Awaitable[dict[str, str]]]
    remember: Callable[[dict[str, str]], Awaitable[None]]


class CodexExecution(Execution[CodexTurn]):
    """Codex by `exec`, which counts tokens over a thread's whole life: `before` is where it was."""

    def __init__(self, run: Run, look: Look, told: Told, *, lender: Lender, clock: Clock) -> None:
        super().__init__(lender=lender, clock=clock)
        self._run = run
        self._look = look
        self._before: Noted | None = None
        self._told = told

    async def _once(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> Outcome:
        """A thread keeps the instructions it began with: later ones go in front of the prompt."""
        told = (await self._told.recall()).get(known or "")
        if known is not None and turn.instructions and told != _digest(turn.instructions):
            turn = attrs.evolve(turn, prompt=f"{_FROM_NOW_ON}{turn.instructions}\n\n{turn.prompt}")
        return await super()._once(turn, sink, known)

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> CodexTurn:
        current = CodexTurn(sink, exec_line, self._clock)
        self._before = Noted() if known is None else await self._look(known)
        current.reading = Reading(total=self._before.total if self._before else None)
        return current

    async def _over(self, turn: AgentTurn, current: CodexTurn) -> None:
        reading = current.reading
        if reading.thread_id is None:
            return
        if reading.heard or current.has_ended:
            told = await self._told.recall()
            await self._told.remember(told | {reading.thread_id: _digest(turn.instructions)})
        if not current.is_counted and self._before is not None:
            noted = await self._look(reading.thread_id)
            if noted is not None and noted.turn_id != self._before.turn_id:
                current.settle(noted)


def _digest(instructions: str) -> str:
    return hashlib.sha256(instructions.encode("utf-8", "replace")).hexdigest()
