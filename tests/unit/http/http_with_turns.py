"""A house in which turns run for real, asked through its door by two keys."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
import orjson
from http_with_fakes import opened, services

from codara.application.callers import Caller
from codara.application.models import Models
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen, TextDelta, ToolStarted
from codara.application.turns.context import Patience, TurnLimits
from codara.application.turns.finding import Finder
from codara.application.turns.run import Run
from codara.application.turns.submit import Turns
from codara.config.settings import ServerSettings
from codara.events import streams
from codara.events.base import Append
from codara.events.session import SessionReset
from codara.projections.views import Views
from tests import event_examples
from tests.fakes.standings import standing
from tests.fakes.users import FakeUsers
from tests.http_reply import Reply
from tests.turn_setup import LIMITS, House, close_house, open_house

KEY, OTHER_KEY, THEIR_KEY = "uagk_live_1", "uagk_live_2", "uagk_live_3"
_CALLERS = {
    KEY: Caller(user_id=event_examples.USER, key_id=event_examples.KEY, max_concurrency=3),
    OTHER_KEY: Caller(user_id=event_examples.USER, key_id="key_2", max_concurrency=3),
    THEIR_KEY: Caller(user_id=event_examples.OTHER_USER, key_id="key_3", max_concurrency=3),
}
"""Two keys of one user, and one of somebody else."""

_PATIENT = aiohttp.ClientTimeout(total=15)
_SMALL_FILES = SimpleNamespace(max_file_bytes=1_000_000)
_PATIENCE = Patience(turn_timeout=60.0, stall_timeout=10.0)
_LIMITS = attrs.evolve(
    LIMITS,
    queue_timeout=20.0,
    disconnect_grace=20.0,
    patience={"codex": _PATIENCE, "opencode": _PATIENCE},
)


@attrs.define
class Agent:
    """Answers `fine`; remembers what each of its threads has heard, and branches them.

    It says `hal` first and waits while `open` is not set; `fails` are causes to fail with, one a
    turn.
    """

    house: House
    heard: dict[str, list[str]] = attrs.field(factory=dict)
    told: list[str] = attrs.field(factory=list)
    """The prompts of all turns, in their order."""
    instructed: list[str] = attrs.field(factory=list)
    answer: str = "fine"
    fails: list[str] = attrs.field(factory=list)
    uses_tools: bool = False
    open: asyncio.Event = attrs.field(factory=asyncio.Event)
    reached: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.open.set()

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        thread = self._thread(turn)
        self.heard[thread].append(turn.prompt)
        self.told.append(turn.prompt)
        self.instructed.append(turn.instructions)
        sink.frame(BackendSeen(thread))
        sink.frame(MarkSeen(str(len(self.heard[thread]))))
        if self.uses_tools:
            sink.frame(ToolStarted(tool_id="t", kind="command", title="ls"))
        if self.fails:
            return Outcome(status="failed", cause=self.fails.pop(0), backend_id=thread)
        if not self.open.is_set():
            sink.frame(TextDelta("hal"))
            self.reached.set()
            await self.open.wait()
        sink.frame(TextDelta(self.answer))
        return Outcome(status="completed", backend_id=thread)

    def _thread(self, turn: AgentTurn) -> str:
        if turn.backend_id is not None:
            return turn.backend_id
        known = f"{turn.provider}-{len(self.heard) + 1}"
        kept = self.heard[turn.fork.backend_id][: int(turn.fork.mark)] if turn.fork else []
        self.heard[known] = list(kept)
        return known

    def shut(self) -> None:
        """Turns wait from now on, until `open` is set."""
        self.open.clear()
        self.reached.clear()


@attrs.frozen
class Housed:
    """The house, its agent, and who knocks at its door."""

    house: House
    agent: Agent
    views: Views
    url: str
    http: aiohttp.ClientSession

    async def chat(
        self, *messages: dict[str, Any] | str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Reply:
        """One turn, answered in one piece; a text is what the user says."""
        async with self.asking(*messages, headers=headers, **more) as answer:
            return Reply(answer.status, await answer.json(), answer.headers)

    async def stream(
        self, *messages: dict[str, Any] | str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Reply:
        """One turn, answered as a stream."""
        async with self.asking(*messages, headers=headers, stream=True, **more) as answer:
            blocks = (await answer.text()).strip().split("\n\n")
            return Reply(answer.status, blocks, answer.headers)

    def asking(
        self,
        *messages: dict[str, Any] | str,
        key: str = KEY,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Any:
        """The request, to be entered for its answer."""
        told = [user(each) if isinstance(each, str) else each for each in messages]
        body = {"model": "codex/gpt-5-codex", "messages": told, **more}
        given_ones = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        sent = io.BytesIO(orjson.dumps(body))
        return self.http.post(
            "/v1/chat/completions", data=sent, headers=given_ones, timeout=_PATIENT
        )

    async def someone_waits(self, number: int = 1) -> None:
        """Returns once so many requests wait for their place, no more and no fewer."""
        async with asyncio.timeout(10):
            while len(self.house.turns.waiting()) != number:
                await asyncio.sleep(0.005)

    async def told(self, number: int) -> None:
        """Returns once so many turns have reached their agent."""
        async with asyncio.timeout(10):
            while len(self.agent.told) < number:
                await asyncio.sleep(0.005)

    async def another_begins_or_waits(self) -> None:
        """Returns once a request beside the first one runs, or waits for its place."""
        async with asyncio.timeout(10):
            while len(self._runs()) + len(self.house.turns.waiting()) < 2:
                await asyncio.sleep(0.005)

    async def reset(self, session_id: str) -> None:
        """The session is reset, and the read models know it."""
        stream = streams.session(session_id)
        fact = {stream: [SessionReset(session_id=session_id)]}
        await self.house.context.deciding.decide([stream], lambda _: fact, event_examples.CAUSE)
        await self.folded()

    async def folded(self) -> None:
        """Returns once the read models know everything that has happened."""
        assert await self.views.wait_for(self.house.log.head(), 10.0)

    async def running(self, number: int) -> None:
        """Returns once so many turns run, each with somebody who listens."""
        async with asyncio.timeout(10):
            while [run.listeners > 0 for run in self._runs()] != [True] * number:
                await asyncio.sleep(0.005)

    async def listeners(self, number: int) -> None:
        """Returns once so many clients listen to the one turn that runs."""
        async with asyncio.timeout(10):
            while [run.listeners for run in self._runs()] != [number]:
                await asyncio.sleep(0.005)

    async def listens(self, turn_id: str, number: int) -> None:
        """Returns once so many clients listen to that turn."""
        async with asyncio.timeout(10):
            while self.house.turns.running._runs[turn_id].listeners != number:
                await asyncio.sleep(0.005)

    def turn_ids(self) -> list[str]:
        """The turns that run, the oldest first."""
        return [run.asked.turn_id for run in self._runs()]

    def _runs(self) -> list[Run]:
        return list(self.house.turns.running._runs.values())


@asynccontextmanager
async def housed(folder: Path, limits: TurnLimits = _LIMITS, **parts: Any) -> AsyncIterator[Housed]:
    """Serves a house for the length of the block; `codex` and `opencode` have an account each."""
    house = await open_house(folder, limits, **parts)
    views = await Views.open(folder / "views", house.log, clock=house.clock)
    await views.start()
    house.turns = _with_views(house, views)
    await _second_account(house)
    agent = house.agents.script = Agent(house)
    house.agents.forking = True
    defaults = {"codex": "gpt-5-codex", "opencode": "big-pickle"}
    bundle = services(
        turns=house.turns,
        users=FakeUsers(_CALLERS),
        models=Models(house.agents, defaults, created=1),
        views=views,
        settings=SimpleNamespace(server=ServerSettings(), workspace=_SMALL_FILES),
    )
    try:
        async with opened(bundle) as door:
            yield Housed(house, agent, views, door.url, door.http)
            agent.open.set()
    finally:
        agent.open.set()
        await house.turns.close(0.0)
        await views.close()
        await close_house(house)


def _with_views(house: House, views: Views) -> Turns:
    """The house's turns, finding conversations in real read models."""
    finder = Finder(views.points, views, house.clock)
    house.context = attrs.evolve(house.context, feed=views, finder=finder)
    return Turns(house.context, house.turns._workspaces)


async def _second_account(house: House) -> None:
    house.standings.accounts.append(standing("acc_2", provider="opencode"))
    account = [
        event_examples.account_registered(account_id="acc_2", provider="opencode"),
        event_examples.credential_stored(account_id="acc_2"),
    ]
    await house.log.append([Append(streams.account("acc_2"), 0, account)], event_examples.CAUSE)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}
