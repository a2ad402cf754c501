"""The fall-back: one ``gemini -o stream-json`` per turn."""

from collections.abc import Awaitable, Callable

from codara.adapters.agents.execution import Execution
from codara.adapters.agents.gemini.config import spoken
from codara.adapters.agents.gemini.parse import stream_line
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.lender import Lender
from codara.adapters.jail.jail import Jail
from codara.application.ports.agents import AgentTurn, FrameSink
from codara.clock import Clock

Run = Callable[[AgentTurn, str | None], Awaitable[Jail]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_COMMANDS = ("/", "?")


class GeminiExecution(Execution[GeminiTurn]):
    """Gemini by one process per turn."""

    def __init__(self, run: Run, *, lender: Lender, clock: Clock) -> None:
        super().__init__(lender=lender, clock=clock)
        self._run = run

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Jail, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> GeminiTurn:
        return GeminiTurn(sink, stream_line, self._clock)

    def _prompt(self, text: str) -> str:
        return spoken(text, _COMMANDS)
