"""The agents of all runtimes, kept warm: at most one process per home, bounded in all."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from typing import Any

import attrs

from codara.adapters.agents.contract import (
    AgentSession,
    Answering,
    Early,
    Keeping,
    ListsModels,
    Runtime,
    TakesEffort,
)
from codara.adapters.agents.obstacles import CAUSE, judged, kept_by
from codara.adapters.agents.pool.abilities import Abilities
from codara.adapters.agents.pool.learner import Learner
from codara.adapters.agents.pool.room import USUAL, Bounds, Room, Weigh, weightless
from codara.adapters.agents.pool.slots import HomeKey, HomeSlots, Slot
from codara.adapters.agents.pool.versions import Versions
from codara.adapters.agents.session.listening import fresh
from codara.adapters.agents.session.watch import to_the_end
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import FRESH_THREAD, Warned
from codara.clock import Clock, utc_now
from codara.errors import AgentFailed, CodaraError, ShuttingDown

log = logging.getLogger(__name__)

REST_SECONDS = 10.0
"""A process that rested longer is asked whether it still answers before it gets a turn."""
ANSWER_SECONDS = 2.0
WEIGHING_SECONDS = 5.0
"""How soon after a turn the agents are weighed."""
OPENING_SECONDS = 30.0
"""How long `close` waits for processes on their way."""


class AgentPool(Abilities):
    """Implements `ports.Agents`; its maker calls `close`."""

    def __init__(
        self,
        runtimes: Mapping[str, Runtime],
        *,
        clock: Clock = utc_now,
        bounds: Bounds = USUAL,
        weigh: Weigh = weightless,
    ) -> None:
        super().__init__(runtimes)
        self._clock = clock
        self._weighing: asyncio.TimerHandle | None = None
        self._slots = HomeSlots()
        self._room = Room(self._slots, bounds, weigh)
        self._closing: set[asyncio.Task[None]] = set()
        self._preparing: set[asyncio.Task[None]] = set()
        self._timers: dict[HomeKey, asyncio.TimerHandle] = {}
        self._lately: dict[str, tuple[str, bool]] = {}
        self._closed = False
        self._versions = Versions()
        self._learner = Learner()

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """See `ports.Agents.run`; waiting for a free process counts against the turn's time."""
        runtime = self._runtimes.get(turn.provider)
        if runtime is None:
            raise AgentFailed(f"there is no agent runtime named {turn.provider!r}")
        if turn.images and not runtime.takes_images:
            raise AgentFailed(f"{runtime.name} takes no pictures")
        if turn.fork is not None and not runtime.forks:
            sink.frame(Warned(FRESH_THREAD))
            turn = fresh(turn)
        self._lately[turn.provider] = turn.account_id, turn.on_login
        left = (turn.until - self._clock()).total_seconds()
        try:
            async with asyncio.timeout(left) as waiting, self._session(runtime, turn) as session:
                waiting.reschedule(None)
                return judged(turn.folder, await session.run(turn, sink))
        except AgentFailed as failure:
            if failure.cause != CAUSE:
                raise
            return kept_by(failure.message)
        except TimeoutError:
            if not waiting.expired():
                raise
            return Outcome(status="failed", cause="timeout", message="no agent became free in time")

    def prepare(self, turn: AgentTurn) -> None:
        """See `ports.Agents.prepare`."""
        runtime = self._runtimes.get(turn.provider)
        if self._closed or (turn.workspace_id, turn.provider) in self._slots:
            return
        if not isinstance(runtime, Early):
            return
        turn = self._expected(turn)
        full = self._slots.occupied(runtime.name) >= runtime.max_processes
        if full or not runtime.opens_early(turn):
            return
        task = asyncio.get_running_loop().create_task(self._prepared(runtime, turn))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    def _expected(self, turn: AgentTurn) -> AgentTurn:
        """The turn as if it were to run on the account that the provider's last turn ran on."""
        account_id, on_login = self._lately.get(turn.provider, ("", False))
        return attrs.evolve(turn, account_id=account_id, on_login=on_login)

    async def _prepared(self, runtime: Runtime, turn: AgentTurn) -> None:
        try:
            async with self._session(runtime, turn, ahead=True):
                return
        except CodaraError as error:
            log.info("no %s could be started ahead of its turn: %s", runtime.name, error.message)

    def takes_images(self, provider: str) -> bool:
        runtime = self._runtimes.get(provider)
        return runtime is not None and runtime.takes_images

    def efforts(self, provider: str) -> Collection[str]:
        """See `ports.Agents.efforts`."""
        runtime = self._runtimes.get(provider)
        return runtime.efforts if isinstance(runtime, TakesEffort) else ()

    def forks(self, provider: str) -> bool:
        """See `ports.Agents.forks`."""
        runtime = self._runtimes.get(provider)
        return runtime is not None and runtime.forks

    def titles(self, provider: str) -> Mapping[str, str]:
        """See `ports.Agents.titles`."""
        runtime = self._runtimes.get(provider)
        return runtime.titles() if isinstance(runtime, ListsModels) else {}

    def learn(self, provider: str) -> None:
        """See `ports.Agents.learn`."""
        self._learner.want(self._runtimes.get(provider))

    def processes(self) -> Mapping[str, int]:
        """Returns how many sessions are open, by runtime."""
        return {name: self._slots.occupied(name) for name in self._runtimes}

    async def empty_home(self, workspace_id: str) -> None:
        """See `ports.Agents.empty_home`."""
        async with self._vacated(workspace_id):
            for runtime in self._runtimes.values():
                if isinstance(runtime, Keeping):
                    await runtime.clear(workspace_id)

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        """See `ports.Agents.forget`."""
        runtime = self._runtimes.get(provider)
        if runtime is None or not isinstance(runtime, Keeping) or not backend_ids:
            return
        slot = self._slots.at((workspace_id, runtime.name))
        async with self._held(slot, runtime):
            try:
                if slot.session is None and runtime.forgets_by_agent:
                    await self._room.take(runtime, slot, ahead=False)
                await runtime.forget(workspace_id, backend_ids, slot.session)
            finally:
                slot.opening = False

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        """See `ports.Agents.home_bytes`."""
        runtime = self._runtimes.get(provider)
        return await runtime.home_bytes(workspace_id) if isinstance(runtime, Keeping) else 0

    async def close(self) -> None:
        """Ends all agents; no turn starts any more, and one that starts is ended first."""
        self._closed = True
        for timer in [*self._timers.values(), *filter(None, [self._weighing])]:
            timer.cancel()
        for task in self._preparing:
            task.cancel()
        await self._learner.close()
        emptied = (slot.empty() for slot in self._slots)
        await asyncio.gather(*emptied, return_exceptions=True)
        await self._room.all_open(OPENING_SECONDS)
        if left := self._closing | self._preparing:
            await asyncio.wait(left)
        await self._versions.close()

    @contextlib.asynccontextmanager
    async def _session(
        self, runtime: Runtime, turn: AgentTurn, *, ahead: bool = False
    ) -> AsyncIterator[AgentSession]:
        slot = self._slots.at((turn.workspace_id, runtime.name))
        async with self._held(slot, runtime):
            yield await self._ready(slot, runtime, turn, ahead=ahead)

    @contextlib.asynccontextmanager
    async def _held(self, slot: Slot, runtime: Runtime) -> AsyncIterator[None]:
        """No turn but ours is at work in the home, or begins there."""
        slot.waiting += 1
        try:
            async with slot.lock:
                yield
        finally:
            slot.waiting -= 1
            await to_the_end(self._put_back(slot, runtime))

    @contextlib.asynccontextmanager
    async def _vacated(self, workspace_id: str) -> AsyncIterator[None]:
        """No agent is in the homes of a workspace, or comes there."""
        async with contextlib.AsyncExitStack() as held:
            for runtime in self._runtimes.values():
                slot = self._slots.at((workspace_id, runtime.name))
                await held.enter_async_context(self._held(slot, runtime))
                await slot.empty()
                await self._room.changed()
            yield

    async def _ready(
        self, slot: Slot, runtime: Runtime, turn: AgentTurn, *, ahead: bool
    ) -> AgentSession:
        if self._closed:
            raise ShuttingDown("the gateway is stopping; no agent is started any more")
        session = slot.session
        if session is not None and session.serves(turn) and await self._is_fit(slot, session):
            return session
        await slot.empty()
        await self._room.take(runtime, slot, ahead=ahead)
        try:
            opened = await self._opened(runtime, turn)
        finally:
            slot.opening = False
        slot.session = opened
        opened.ended.add_done_callback(lambda _: self._noticed(slot, opened))
        return opened

    async def _opened(self, runtime: Runtime, turn: AgentTurn) -> AgentSession:
        opened = await runtime.open(turn)
        if self._closed:
            await to_the_end(opened.close())
            raise ShuttingDown("the gateway is stopping; no agent is started any more")
        self._versions.look(runtime)
        self._learner.retry(runtime)
        return opened

    async def _is_fit(self, slot: Slot, session: AgentSession) -> bool:
        """Whether the process is there and, after a rest, still answers."""
        if session.ended.done():
            return False
        rested = time.monotonic() - slot.used_at
        if rested < REST_SECONDS or not isinstance(session, Answering):
            return True
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await session.answers()
        except TimeoutError:
            return False

    async def _put_back(self, slot: Slot, runtime: Runtime) -> None:
        slot.used_at = time.monotonic()
        session = slot.session
        if session is not None and not slot.waiting and (session.ended.done() or not session.keeps):
            async with slot.lock:
                await slot.empty()
        self._arm(slot, runtime)
        self._slots.forget(slot)
        if self._weighing is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._weighing = loop.call_later(WEIGHING_SECONDS, self._weigh_soon)
        await self._room.changed()

    def _weigh_soon(self) -> None:
        self._weighing = None
        self._keep(self._room.slim())

    def _arm(self, slot: Slot, runtime: Runtime) -> None:
        timer = self._timers.pop(slot.key, None)
        if timer is not None:
            timer.cancel()
        if slot.session is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timers[slot.key] = loop.call_later(runtime.idle_seconds, self._rested, slot)

    def _rested(self, slot: Slot) -> None:
        self._timers.pop(slot.key, None)
        if slot.idle:
            self._own(slot)

    def _noticed(self, slot: Slot, session: AgentSession) -> None:
        """A process that died while nobody used it is cleared away at once."""
        if slot.session is session and not slot.lock.locked():
            self._own(slot)

    def _own(self, slot: Slot) -> None:
        self._keep(self._room.give_back(slot))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
