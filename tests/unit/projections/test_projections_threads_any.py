"""Threads over any history: none that may be gone on with is ever over, and none stays for good."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import attrs
from hypothesis import given as where
from hypothesis import settings
from hypothesis import strategies as st
from read_model_setup import as_read

from codara.domain import session
from codara.events import streams
from codara.events.base import Event, Recorded
from codara.events.session import TurnEnd
from codara.events.thread import Branch, Point, Thread
from codara.projections.engine.queries import Reader
from codara.projections.engine.store import Store, digest
from codara.projections.threads import Threads, ThreadsProjection
from tests import event_examples
from tests.fakes.clock import FixedClock

TTL = timedelta(hours=24)
MOST_SESSIONS, STEPS = 5, 80
PROVIDERS = ("codex", "codex", "codex", "gemini")
WORKSPACES = ("wsp_1", "wsp_1", "wsp_2")


@attrs.define
class Tale:
    """What sessions do, as the domain allows it, and what may be gone on with after each step.

    `points` are those that may be branched, by session; `gone` are the threads that were removed.
    """

    dice: Random
    clock: FixedClock = attrs.field(factory=FixedClock)
    facts: list[Recorded] = attrs.field(factory=list)
    sessions: dict[str, session.Session] = attrs.field(factory=dict)
    forks: dict[str, Branch] = attrs.field(factory=dict)
    points: defaultdict[str, list[tuple[str, Thread]]] = attrs.field(
        factory=lambda: defaultdict(list)
    )
    gone: set[str] = attrs.field(factory=set)
    numbers: Iterator[int] = attrs.field(factory=lambda: count(1))

    def happens(self, stream: str, *events: Event) -> None:
        for event in events:
            recorded = as_read(stream, event, len(self.facts) + 1)
            metadata = attrs.evolve(recorded.metadata, at=self.clock.now)
            self.facts.append(attrs.evolve(recorded, metadata=metadata))
            if stream.startswith("session/"):
                name = stream.partition("/")[2]
                state = self.sessions.get(name, session.EMPTY)
                self.sessions[name] = session.evolve(state, event)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{next(self.numbers)}"

    # ------------------------------------------------------------ steps

    def step(self) -> None:
        busy = [name for name, state in self.sessions.items() if state.turn]
        idle = [name for name, state in self.sessions.items() if not state.turn]
        steps = [self.time_passes]
        if len(self.sessions) < MOST_SESSIONS:
            steps += [self.begins]
        if busy:
            steps += [self.binds, self.ends, self.ends, self.ends]
        if idle:
            steps += [self.goes_on, self.goes_on, self.is_reset, self.is_reset, self.expires]
        chosen = self.dice.choice(steps)
        if chosen in (self.binds, self.ends):
            chosen(self.dice.choice(busy))
        elif chosen in (self.goes_on, self.is_reset, self.expires):
            chosen(self.dice.choice(idle))
        else:
            chosen()

    def time_passes(self) -> None:
        self.clock.move(minutes=self.dice.choice([1, 2, 720, 1441]))

    def begins(self) -> None:
        name = self.new("ses")
        workspace = self.dice.choice(WORKSPACES)
        opened = event_examples.session_opened(session_id=name, workspace_id=workspace)
        self.happens(streams.session(name), opened)
        self.requests(name, kept=self.dice.random() < 0.75)

    def goes_on(self, name: str) -> None:
        self.requests(name, kept=True)

    def requests(self, name: str, *, kept: bool) -> None:
        base, now = self.sessions[name], self.clock.now
        provider = self.dice.choice(PROVIDERS)
        thread = session.standing_thread(base, provider=provider, now=now)
        fork = None
        branches = self.branches(base.workspace_id, provider)
        if kept and branches and self.dice.random() < 0.75:
            fork = self.dice.choice(branches)
            thread = Thread()
        wanted = event_examples.turn_requested(
            session_id=name,
            turn_id=self.new("trn"),
            workspace_id=base.workspace_id,
            provider=provider,
            persistent=kept,
            thread=thread,
            fork=fork,
            heard=thread,
            elsewhere=session.threads_elsewhere(base, provider=provider, now=now),
            prompt_payload=None,
        )
        self.happens(streams.session(name), wanted)
        self.forks.pop(name, None)
        if fork:
            self.forks[name] = fork

    def branches(self, workspace: str, provider: str) -> list[Branch]:
        return [
            Branch(session_id=name, turn_id="trn", backend_id=str(thread.backend_id), mark="m")
            for name in self.living()
            if self.sessions[name].workspace_id == workspace
            for of, thread in self.points[name]
            if of == provider
        ]

    def binds(self, name: str) -> None:
        self.tells(name, self.new("thread"), lost=self.dice.random() < 0.25)

    def tells(self, name: str, backend_id: str, *, lost: bool) -> None:
        turn = self.sessions[name].turn
        assert turn
        fresh = Thread() if lost else None
        bound = event_examples.backend_bound(
            session_id=name, turn_id=turn.turn_id, backend_id=backend_id, heard=fresh
        )
        self.happens(streams.session(name), bound)

    def ends(self, name: str) -> None:
        turn = self.sessions[name].turn
        assert turn
        known = turn.heard.backend_id
        other = self.new("thread")
        reached = self.dice.choice([known or other, known, None, other])
        lost = reached not in (None, known) and self.dice.random() < 0.5
        thread = Thread(backend_id=reached, point=Point(digest="d", entries=2, answered="d"))
        end = TurnEnd(
            thread=thread if reached else Thread(),
            lost_thread=lost,
            expires_at=self.clock.now + TTL,
        )
        kind = self.dice.choice([event_examples.turn_completed, event_examples.turn_failed])
        more = {"answer_payload": None, "end": end}
        state = self.sessions[name]
        self.happens(streams.session(name), kind(session_id=name, turn_id=turn.turn_id, **more))
        if reached and state.kept:
            self.points[name].append((state.provider, thread))

    def is_reset(self, name: str) -> None:
        self.clears(name, session.reset(self.sessions[name], user_id=None))

    def expires(self, name: str) -> None:
        self.clears(name, session.expire(self.sessions[name], now=self.clock.now))

    def clears(self, name: str, events: list[Event]) -> None:
        if events:
            self.points[name].clear()
        self.happens(streams.session(name), *events)

    # ------------------------------------------------------------ what is true

    def living(self) -> list[str]:
        """Sessions that may be gone on with, or a point of which may be branched."""
        return [
            name
            for name, state in self.sessions.items()
            if state.turn or (state.kept and not session.is_expired(state, self.clock.now))
        ]

    def in_use(self) -> set[str]:
        """Threads that a living session stands on or may branch, or branches just now."""
        return {each for name in self.living() for each in self.threads_of(name)} - self.gone

    def threads_of(self, name: str) -> Iterable[str]:
        state = self.sessions[name]
        threads = [state.thread, *(each.thread for each in state.elsewhere)]
        if state.turn:
            threads.append(state.turn.heard)
        threads += [thread for _, thread in self.points[name]]
        fork = [self.forks[name].backend_id] if state.turn and name in self.forks else []
        return [*fork, *(each.backend_id for each in threads if each.backend_id)]


@attrs.define
class Folding:
    """The read model, folded one event at a time."""

    tale: Tale
    store: Store
    view: Threads

    def fold(self) -> None:
        for fact in self.tale.facts[self.store.position :]:
            self.store.fold(fact.position - 1, [fact])

    async def over(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What is over by the read model; all of it is free by what is true."""
        self.fold()
        found = await self.view.ended(100)
        listed = {backend_id for each in found for backend_id in each.threads}
        assert not listed & self.tale.in_use()
        return [(each.workspace_id, each.provider, tuple(each.threads)) for each in found]

    async def idle(self) -> None:
        """What may go for space is needed by no open turn."""
        open_ones = {name for name, state in self.tale.sessions.items() if state.turn}
        needed = {backend_id for name in open_ones for backend_id in self.tale.threads_of(name)}
        for workspace in set(WORKSPACES):
            for provider in set(PROVIDERS):
                once = await self.view.uncontinued(workspace, provider, 100)
                often = await self.view.others(workspace, provider, 100)
                assert not {each.backend_id for each in (*once, *often)} & needed

    async def removes(self) -> bool:
        found = await self.over()
        for workspace, provider, threads in found:
            self.tale.gone |= set(threads)
            removed = event_examples.threads_removed(
                workspace_id=workspace, provider=provider, threads=threads
            )
            self.tale.happens(streams.workspace(workspace), removed)
        return bool(found)


async def told(tale: Tale, folder: Path) -> None:
    path = folder / "threads.db"
    store = Store.create(ThreadsProjection(), path, "log_1")
    reader = await Reader.open(path)
    folding = Folding(tale, store, Threads(reader, tale.clock))
    try:
        for _ in range(STEPS):
            tale.step()
            await folding.over()
            await folding.idle()
            if tale.dice.random() < 0.1:
                await folding.removes()
        for name in [name for name, state in tale.sessions.items() if state.turn]:
            tale.ends(name)
        tale.clock.move(days=2)
        assert not await folding.removes() or not await folding.removes()
        folding.fold()
        for table in ("threads", "turns"):
            assert await reader.rows(f"SELECT * FROM {table}") == []
    finally:
        await reader.close()
        store.close()
    again = Store.create(ThreadsProjection(), folder / "again.db", "log_1")
    again.fold(0, tale.facts)
    again.close()
    assert digest(path) == digest(folder / "again.db")


@settings(max_examples=30, deadline=None)
@where(seed=st.integers(0, 2**32))
def test_no_thread_of_a_living_session_is_ever_over_and_none_stays_for_good(seed: int) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(told(Tale(Random(seed)), Path(folder)))
