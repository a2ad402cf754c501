"""An agent that is no program: it writes down what it was told, and says it again."""

import asyncio
from collections.abc import Sequence

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.runtime import Make
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import TextDelta
from codara.config.providers import Provider


class ToySession:
    """Satisfies `Session`."""

    keeps = True

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def serves(self, turn: AgentTurn) -> bool:
        return True

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        await turn.permitted()
        (turn.folder / "heard.txt").write_text(turn.prompt)
        sink.frame(TextDelta(f"{turn.model}: {turn.prompt}"))
        return Outcome(status="completed", backend_id=turn.backend_id or f"toy-{turn.turn_id}")

    async def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


class ToyRuntime:
    """Satisfies `Runtime`."""

    name = "toy"
    takes_images = False
    forks = False

    def __init__(self, settings: Provider, house: RuntimeContext) -> None:
        self.max_processes = settings.max_processes
        self.idle_seconds = settings.idle_seconds

    async def open(self, turn: AgentTurn) -> AgentSession:
        return ToySession()

    def models(self) -> Sequence[str]:
        return ("toy-1", "toy-2")


make: Make = ToyRuntime
