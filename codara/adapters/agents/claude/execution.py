"""The fall-back: one `claude -p` process per turn."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import orjson

from codara.adapters.agents.claude.prompt import message_of
from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.session.execution import Around, Execution
from codara.adapters.agents.session.launched import Launched
from codara.application.ports.agents import AgentTurn, FrameSink

Run = Callable[[AgentTurn, str | None], Awaitable[tuple[Launched, str]]]
"""Starts the process of a turn and returns it with the name of its thread.

The thread is resumed, or a new one begins with None. With a `fork` the thread is the copy.
"""


class ClaudeExecution(Execution[ClaudeTurn]):
    """Claude by one process per turn."""

    def __init__(self, run: Run, around: Around) -> None:
        super().__init__(around)
        self._run = run

    async def _copied(self, turn: AgentTurn) -> str:
        """The process makes it; a new thread may have any name."""
        return str(uuid4())

    async def _launch(self, turn: AgentTurn, known: str | None) -> tuple[Launched, str | None]:
        return await self._run(turn, known)

    async def _listening(self, turn: AgentTurn, sink: FrameSink, known: str | None) -> ClaudeTurn:
        return ClaudeTurn(sink, self._clock)

    def _input(self, turn: AgentTurn) -> str:
        return orjson.dumps(message_of(turn)).decode() + "\n"
