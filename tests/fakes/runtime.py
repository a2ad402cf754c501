"""Runtimes of no real agent: for those who look for a program, ask it, or open its sessions."""

import asyncio
from collections.abc import Mapping, Sequence

import attrs

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.home.programs import Program
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.errors import AgentFailed, AgentMissing


@attrs.define
class FakeRuntime:
    """What every runtime says of itself."""

    name: str = "codex"
    max_processes: int = 3
    idle_seconds: float = 600.0
    takes_images: bool = False
    forks: bool = False
    listed: Sequence[str] = ()

    def models(self) -> Sequence[str]:
        return self.listed


@attrs.define
class ProgramRuntime(FakeRuntime):
    """A program that is `there` or missing, and tells its version; counts how often it is asked."""

    there: bool | None = None
    """Nobody may look for it while that is None."""
    says: str | AgentFailed | None = None
    """Its version, or why it tells none; nobody may ask for it while that is None."""
    tested: str = "0.169"
    looked: int = 0
    asked: int = 0

    def program(self) -> Program:
        if self.there is None:
            raise NotImplementedError
        self.looked += 1
        if not self.there:
            raise AgentMissing("codex was not found: install it")
        return Program(path=None, folders=())  # type: ignore[arg-type]

    async def version(self) -> str:
        if self.says is None:
            raise NotImplementedError
        self.asked += 1
        if isinstance(self.says, AgentFailed):
            raise self.says
        return self.says


@attrs.define
class LearningRuntime:
    """Answers when its gate is open, as often in vain as it is told."""

    name: str = "codex"
    failures: int = 0
    asked: int = 0
    ended: int = 0
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)

    def titles(self) -> Mapping[str, str]:
        return {}

    async def learn(self) -> None:
        self.asked += 1
        try:
            await self.gate.wait()
        finally:
            self.ended += 1
        if self.asked <= self.failures:
            raise AgentFailed("it lists nothing")


class FakeSession:
    """A process that does what its name says; `open` lets its turns end."""

    keeps = True

    def __init__(self, workspace_id: str) -> None:
        self.workspace_id = workspace_id
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.open = asyncio.Event()
        self.open.set()
        self.at_work = asyncio.Event()
        self.closed = False
        self.closes = True
        self.let_end = asyncio.Event()
        self.let_end.set()
        self.ending = asyncio.Event()
        self.answering = True
        self.asked = 0

    def serves(self, turn: AgentTurn) -> bool:
        return True

    async def answers(self) -> bool:
        self.asked += 1
        if not self.answering:
            await asyncio.Event().wait()
        return True

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        await turn.permitted()
        self.at_work.set()
        await self.open.wait()
        return Outcome(status="completed", backend_id=self.workspace_id)

    async def close(self) -> None:
        self.ending.set()
        await self.let_end.wait()
        self.closed = True
        if not self.closes:
            raise ValueError("it makes no sense")
        if not self.ended.done():
            self.ended.set_result(None)


@attrs.define
class SessionRuntime(FakeRuntime):
    """Opens fake sessions; remembers them."""

    early: bool = True
    sessions: list[FakeSession] = attrs.field(factory=list)
    opened: list[AgentTurn] = attrs.field(factory=list)
    gate: asyncio.Event | None = None
    broken: bool = False
    working: bool = False

    def opens_early(self, turn: AgentTurn) -> bool:
        return self.early

    async def open(self, turn: AgentTurn) -> AgentSession:
        if self.gate:
            await self.gate.wait()
        if self.broken:
            raise AgentFailed("the program is missing")
        self.opened.append(turn)
        session = FakeSession(turn.workspace_id)
        if self.working:
            session.open.clear()
        self.sessions.append(session)
        return session

    def live(self) -> list[str]:
        return [each.workspace_id for each in self.sessions if not each.closed]
