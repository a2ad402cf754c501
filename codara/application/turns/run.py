"""Run: the agent at work; its frames go to the spool, and to whoever listens."""

import asyncio
import logging
from functools import partial

import attrs

from codara.application.ports.agents import AgentTurn, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    Frame,
    QuotaSeen,
    TextDelta,
    ToolStarted,
    UsageSeen,
)
from codara.application.ports.spool import SpoolFile
from codara.application.turns.live import Run
from codara.application.turns.means import Means
from codara.domain import turn
from codara.events import streams
from codara.events.session import BackendBound, Usage

logger = logging.getLogger(__name__)


@attrs.define(kw_only=True, eq=False)
class Heard:
    """What the agent has said so far; it is the sink of its frames."""

    means: Means
    run: Run
    spool: SpoolFile
    began: float
    text: list[str] = attrs.field(factory=list)
    usage: Usage | None = None
    quota: QuotaSeen | None = None
    backend_id: str | None = None
    tool_ran: bool = False
    binding: asyncio.Task[None] | None = None

    def raw(self, line: bytes) -> None:
        """One line as the agent wrote it, for the record."""
        self.spool.write(line)

    def frame(self, frame: Frame) -> None:
        """Takes what the end of the turn needs from the frame, and passes it on."""
        match frame:
            case TextDelta(text=text):
                if not self.text:
                    self.run.mark("first_delta", self.began)
                self.text.append(text)
            case ToolStarted():
                self.tool_ran = True
            case UsageSeen():
                self.usage = Usage(
                    input=frame.input,
                    cached=frame.cached,
                    cache_write=frame.cache_write,
                    output=frame.output,
                    reasoning=frame.reasoning,
                )
            case QuotaSeen():
                self.quota = frame
            case BackendSeen():
                self._bind(frame.backend_id)
            case _:
                pass
        self.run.broadcast.publish(frame)

    @property
    def answer(self) -> str:
        """The text so far."""
        return "".join(self.text)

    def _bind(self, backend_id: str) -> None:
        known = self.backend_id or self.run.asked.thread.backend_id
        self.backend_id = backend_id
        if backend_id != known:
            self.binding = asyncio.create_task(_bind(self.means, self.run, backend_id))

    async def settled(self) -> None:
        """Waits until the thread's new id is in the log; the end of the turn carries it anyway."""
        if self.binding:
            await asyncio.wait({self.binding})
            if error := self.binding.exception():
                logger.warning("the thread of task %s: %s", self.run.asked.turn_id, error)


async def run_agent(means: Means, run: Run, heard: Heard) -> Outcome:
    """Lets the agent work until its turn has ended, one way or another."""
    try:
        return await means.agents.run(_agent_turn(means, run), heard)
    finally:
        run.mark("agent", heard.began)


def _agent_turn(means: Means, run: Run) -> AgentTurn:
    asked, command, running = run.asked, run.command, run.running
    if running is None:
        raise RuntimeError("a turn runs after it has started")
    return AgentTurn(
        turn_id=asked.turn_id,
        user_id=command.caller.user_id,
        workspace_id=asked.workspace_id,
        folder=asked.folder,
        provider=command.provider,
        model=command.model,
        account_id=running.choice.account_id,
        instructions=asked.instructions,
        prompt=asked.prompt,
        fresh_prompt=asked.fresh_prompt,
        backend_id=asked.thread.backend_id,
        read_only=command.manual,
        until=running.until,
        stall_timeout=means.limits.patience[command.provider].stall_timeout,
    )


async def _bind(means: Means, run: Run, backend_id: str) -> None:
    """Appends the agent's own id of a new thread as soon as it is known.

    So that a crash of the gateway in the middle of a turn does not lose the thread.
    """
    stream = streams.session(run.asked.session_id)
    bound = BackendBound(
        session_id=run.asked.session_id, turn_id=run.asked.turn_id, backend_id=backend_id
    )
    await means.deciding.decide([stream], partial(turn.bind, bound=bound), run.cause)
