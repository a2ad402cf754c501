"""The agents of all runtimes, kept warm: at most one process per home, a bounded number in all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from codara.adapters.agents.contract import Runtime, Session
from codara.adapters.agents.watch import to_the_end
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.clock import Clock, utc_now
from codara.errors import AgentFailed, ShuttingDown

HomeKey = tuple[str, str]
"""Workspace and runtime."""


class Slot:
    """One home: who runs a turn in it holds the lock."""

    def __init__(self, key: HomeKey) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.session: Session | None = None
        self.opening = False
        self.waiting = 0
        self.used_at = 0.0

    @property
    def occupied(self) -> bool:
        """Whether it counts against the bound on processes."""
        return self.opening or self.session is not None

    @property
    def idle(self) -> bool:
        return self.session is not None and not self.lock.locked() and not self.waiting

    async def empty(self) -> None:
        """Ends the session, if there is one; it counts until it is gone."""
        if self.session is not None:
            await self.session.close()
            self.session = None


class AgentPool:
    """Satisfies `ports.Agents`; whoever made it calls `close`."""

    def __init__(self, runtimes: Mapping[str, Runtime], *, clock: Clock = utc_now) -> None:
        self._runtimes = dict(runtimes)
        self._clock = clock
        self._slots: dict[HomeKey, Slot] = {}
        self._room = asyncio.Condition()
        self._closing: set[asyncio.Task[None]] = set()
        self._timers: dict[HomeKey, asyncio.TimerHandle] = {}
        self._closed = False

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """See `ports.Agents.run`; waiting for a free process counts against the turn's time."""
        runtime = self._runtimes.get(turn.provider)
        if runtime is None:
            raise AgentFailed(f"there is no agent runtime named {turn.provider!r}")
        left = (turn.until - self._clock()).total_seconds()
        try:
            async with asyncio.timeout(left) as waiting, self._session(runtime, turn) as session:
                waiting.reschedule(None)
                return await session.run(turn, sink)
        except TimeoutError:
            if not waiting.expired():
                raise
            return Outcome(status="failed", cause="timeout", message="no agent became free in time")

    def takes_images(self, provider: str) -> bool:
        runtime = self._runtimes.get(provider)
        return runtime is not None and runtime.takes_images

    async def models(self, provider: str) -> Sequence[str]:
        runtime = self._runtimes.get(provider)
        return () if runtime is None else tuple(runtime.models())

    def processes(self) -> Mapping[str, int]:
        """How many sessions are open, by runtime."""
        return {name: self._occupied(name) for name in self._runtimes}

    async def close_home(self, workspace_id: str) -> None:
        """Ends a workspace's agents; waits for a turn that runs in one of them."""
        for key in [key for key in self._slots if key[0] == workspace_id]:
            await self._retire(self._slots[key])

    async def close(self) -> None:
        """Ends all agents; no turn starts any more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        await asyncio.gather(*(slot.empty() for slot in list(self._slots.values())))
        if self._closing:
            await asyncio.wait(self._closing)

    @contextlib.asynccontextmanager
    async def _session(self, runtime: Runtime, turn: AgentTurn) -> AsyncIterator[Session]:
        key = (turn.workspace_id, runtime.name)
        slot = self._slots.setdefault(key, Slot(key))
        slot.waiting += 1
        try:
            async with slot.lock:
                yield await self._ready(slot, runtime, turn)
        finally:
            slot.waiting -= 1
            await to_the_end(self._put_back(slot, runtime))

    async def _ready(self, slot: Slot, runtime: Runtime, turn: AgentTurn) -> Session:
        if self._closed:
            raise ShuttingDown("the gateway is stopping; no agent is started any more")
        session = slot.session
        if session is not None and not session.ended.done() and session.serves(turn):
            return session
        await slot.empty()
        await self._make_room(runtime, slot)
        try:
            opened = await runtime.open(turn)
        finally:
            slot.opening = False
        slot.session = opened
        opened.ended.add_done_callback(lambda _: self._noticed(slot, opened))
        return opened

    async def _make_room(self, runtime: Runtime, slot: Slot) -> None:
        async with self._room:
            while self._occupied(runtime.name) >= runtime.max_processes:
                idle = [other for other in self._of(runtime.name) if other.idle]
                if idle:
                    oldest = min(idle, key=lambda other: other.used_at)
                    async with oldest.lock:
                        await oldest.empty()
                else:
                    await self._room.wait()
            slot.opening = True

    async def _put_back(self, slot: Slot, runtime: Runtime) -> None:
        slot.used_at = asyncio.get_running_loop().time()
        session = slot.session
        if session is not None and not slot.waiting and (session.ended.done() or not session.keeps):
            async with slot.lock:
                await slot.empty()
        self._arm(slot, runtime)
        self._forget(slot)
        await self._tell()

    async def _tell(self) -> None:
        """A home became idle or empty: whoever waits for room looks again."""
        async with self._room:
            self._room.notify_all()

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

    def _noticed(self, slot: Slot, session: Session) -> None:
        """A process that died while nobody used it is cleared away at once."""
        if slot.session is session and not slot.lock.locked():
            self._own(slot)

    def _own(self, slot: Slot) -> None:
        task = asyncio.get_running_loop().create_task(self._retire(slot))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _retire(self, slot: Slot) -> None:
        async with slot.lock:
            await slot.empty()
        self._forget(slot)
        await self._tell()

    def _forget(self, slot: Slot) -> None:
        if slot.session is None and not slot.waiting and not slot.lock.locked():
            self._slots.pop(slot.key, None)

    def _of(self, runtime: str) -> list[Slot]:
        return [slot for slot in self._slots.values() if slot.key[1] == runtime]

    def _occupied(self, runtime: str) -> int:
        return sum(slot.occupied for slot in self._of(runtime))
