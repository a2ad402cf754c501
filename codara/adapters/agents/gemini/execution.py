"""The fall-back: one ``gemini -o stream-json`` per turn."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from codara.adapters.agents.gemini.config import named, spoken
from codara.adapters.agents.gemini.copies import Copies
from codara.adapters.agents.gemini.parse import stream_line
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.home.pictures import places_of
from codara.adapters.agents.session.execution import Around, Execution
from codara.adapters.agents.session.launched import Launched
from codara.application.ports.agents import AgentTurn, FrameSink

Run = Callable[[AgentTurn, str | None], Awaitable[Launched]]
"""Starts the process of a turn, for a session to resume or, with None, a fresh one."""

_COMMANDS = ("/", "?")


class GeminiExecution(Execution[GeminiTurn]):
    """Gemini by one process per turn; `home` is the home as gemini sees it."""

    def __init__(self, run: Run, home: Path, copies: Copies, around: Around) -> None:
        super().__init__(around)
        self._run = run
        self._home = home
        self._copies = copies

    async def _copied(self, turn: AgentTurn) -> str | None:
        return None if turn.fork is None else await self._copies.make(turn.fork)

    async def _over(self, turn: AgentTurn, current: GeminiTurn) -> None:
        if current.has_ended and current.reading.session_id is not None:
            current.mark = await self._copies.mark(current.reading.session_id)

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str | None]:
        return await self._run(turn, known), known

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> GeminiTurn:
        return GeminiTurn(sink, stream_line, self._clock)

    def _input(self, turn: AgentTurn) -> str:
        """Behind the prompt the names of its pictures, which gemini puts in their place."""
        shown = (named(place) for place in places_of(turn.images, self._home))
        return "\n\n".join((spoken(turn.prompt, _COMMANDS), *shown))
