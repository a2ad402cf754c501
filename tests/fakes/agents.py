"""Agents that do what the test says."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import attrs

from codara.application.ports.agents import EFFORTS, AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.errors import AgentMissing, ContextLengthExceeded

Script = Callable[[AgentTurn, FrameSink], Awaitable[Outcome]]


async def says_hello(turn: AgentTurn, sink: FrameSink) -> Outcome:
    """Two deltas of a thread called `backend-1`."""
    sink.frame(BackendSeen(turn.backend_id or "backend-1"))
    sink.raw(b'{"delta":"hel"}')
    sink.frame(TextDelta("hel"))
    sink.frame(TextDelta("lo"))
    return Outcome(status="completed", backend_id=turn.backend_id or "backend-1")


async def nothing_to_do(workspace_id: str) -> None:
    """Empties nothing."""


@attrs.define
class FakeAgents:
    """Runs `script`; remembers the turns it was given, and how many were cancelled."""

    script: Script = says_hello
    ready: list[AgentTurn] = attrs.field(factory=list)
    """Those it got ready for, permitted or not."""
    turns: list[AgentTurn] = attrs.field(factory=list)
    prepared: list[AgentTurn] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)
    """Whose models it was to learn."""
    emptied: list[str] = attrs.field(factory=list)
    """Workspaces whose homes were emptied, in order."""
    emptying: Callable[[str], Awaitable[None]] = nothing_to_do
    forgotten: list[str] = attrs.field(factory=list)
    cancelled: int = 0
    sighted: bool = True
    forking: bool = False
    taking_effort: Collection[str] = EFFORTS
    longest: int = 100_000_000
    """The number of characters that a prompt may have."""
    missing: str = ""
    """Why its program is not there; empty if it is."""

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        self.ready.append(turn)
        try:
            await turn.permitted()
            self.turns.append(turn)
            return await self.script(turn, sink)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def prepare(self, turn: AgentTurn) -> None:
        self.prepared.append(turn)

    def takes_images(self, provider: str) -> bool:
        return self.sighted

    def efforts(self, provider: str) -> Collection[str]:
        return self.taking_effort

    def titles(self, provider: str) -> Mapping[str, str]:
        return {}

    def forks(self, provider: str) -> bool:
        return self.forking

    async def check_program(self, provider: str) -> None:
        if self.missing:
            raise AgentMissing(self.missing)

    def check_prompt(self, provider: str, workspace_id: str, prompt: str) -> None:
        if len(prompt) > self.longest:
            raise ContextLengthExceeded("This is too long.")

    async def models(self, provider: str) -> Sequence[str]:
        return ("gpt-5-codex",)

    def learn(self, provider: str) -> None:
        self.asked.append(provider)

    async def empty_home(self, workspace_id: str) -> None:
        self.emptied.append(workspace_id)
        await self.emptying(workspace_id)

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        self.forgotten.extend(backend_ids)

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        return 0
