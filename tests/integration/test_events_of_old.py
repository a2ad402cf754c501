"""A log from before there were transcripts: its sessions go on, and its turns are ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from old_gateway import versions_in, write_as_of_old

from codara import errors
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen, TextDelta
from codara.application.recovery import Recovery
from codara.application.turns.commands import Message
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.events.session import TurnFailed
from codara.projections.engine.store import digest
from codara.projections.views import Views
from tests.fakes.spool import FakeSpool
from tests.fakes.sweeper import FakeSweeper
from tests.turn_setup import House, close_house, command, open_house

OF_SESSIONS = {
    "session.opened",
    "session.turn_requested",
    "session.backend_bound",
    "session.turn_completed",
    "session.turn_failed",
}


@attrs.define
class Agent:
    """It keeps what each thread has heard."""

    threads: dict[str, list[str]] = attrs.field(factory=dict)
    ends: str = "well"

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        thread = turn.backend_id or f"thread-{len(self.threads) + 1}"
        sink.raw(b"{}")
        sink.frame(BackendSeen(thread))
        self.threads.setdefault(thread, []).append(turn.prompt)
        sink.frame(MarkSeen(str(len(self.threads[thread]))))
        sink.frame(TextDelta("fine"))
        if self.ends == "never":
            await asyncio.Event().wait()
        if self.ends == "badly":
            return Outcome(status="failed", cause="cut_stream", backend_id=thread)
        return Outcome(status="completed", backend_id=thread)


@attrs.define
class Old:
    """A log in a folder, the gateway that stands over it, and an agent that outlives it."""

    folder: Path
    agent: Agent = attrs.field(factory=Agent)
    spool: FakeSpool = attrs.field(factory=FakeSpool)
    house: House = attrs.field(init=False)
    views: Views = attrs.field(init=False)

    async def lay_down(self) -> None:
        """One session whose turn completed, one whose turn failed, and one whose turn is open."""
        self.house = await self._house()
        write_as_of_old(self.house.log)
        await self.ask("done", "my name is Ada")
        self.agent.ends = "badly"
        with pytest.raises(errors.AgentFailed):
            await self.ask("broken", "I am Bob")
        self.agent.ends = "never"
        handle = await self.house.turns.submit(command("I am Cleo", session_label="open"))
        async for frame in handle.frames():
            if isinstance(frame, TextDelta):
                break
        await self.house.happened("session.backend_bound")
        await self._die()
        self.agent.ends = "well"

    async def _die(self) -> None:
        carriers = list(self.house.turns.running._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        await self.house.log.close()

    async def open(self) -> None:
        """Starts as a gateway does: read models from nothing, then recovery."""
        house = self.house = await self._house()
        self.views = await Views.open(self.folder / "views", house.log, clock=house.clock)
        await self.views.start()
        finder = Finder(self.views.points, self.views, house.clock)
        house.context = attrs.evolve(house.context, finder=finder, feed=self.views)
        house.turns = Turns(house.context, house.turns._workspaces)
        recovery = Recovery(
            context=house.context,
            unfinished=self.views.unfinished,
            sweeper=FakeSweeper(),
            gateway_id="gtw_2",
        )
        await recovery.run()

    async def _house(self) -> House:
        house = await open_house(self.folder, spool=self.spool)
        house.agents.script = self.agent
        return house

    async def ask(self, label: str | None, *texts: str) -> Any:
        """Asks in a session of that name with a list of questions and answers in turns."""
        roles = ("user", "assistant")
        told = tuple(Message(roles[at % 2], text) for at, text in enumerate(texts))
        return await self.house.ask(messages=told, session_label=label)

    async def sessions(self) -> dict[str, Any]:
        """The rows of the sessions by their names."""
        await self.views.wait_for(self.house.log.head(), 10)
        rows = (await self.views.sessions.list(every=True)).items
        return {row.client_session_id: row for row in rows}

    async def close(self) -> None:
        await self.views.close()
        await close_house(self.house)


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Old]:
    made = Old(tmp_path)
    await made.lay_down()
    await made.open()
    yield made
    await made.close()


async def test_the_log_holds_version_1_of_every_fact_of_a_session(tmp_path: Path) -> None:
    await Old(tmp_path).lay_down()
    stored = versions_in(tmp_path / "events.db")
    assert {name for name, version in stored if version == 1} >= OF_SESSIONS
    assert {version for _, version in stored} == {1}


async def test_its_sessions_keep_their_names_and_ends(old: Old) -> None:
    sessions = await old.sessions()
    assert {name: (row.status, row.origin) for name, row in sessions.items()} == {
        "done": ("idle", "named"),
        "broken": ("dirty", "named"),
        "open": ("dirty", "named"),
    }


async def test_recovery_ends_its_open_turn(old: Old) -> None:
    failed = await old.house.the(TurnFailed)
    session = (await old.sessions())["open"]
    assert (failed.cause, failed.session_id) == ("gateway_lost", session.session_id)
    assert failed.end.thread.backend_id == "thread-3"
    assert await old.views.unfinished.turns() == []


@pytest.mark.parametrize(
    ("label", "thread", "is_dirty"),
    [("done", "thread-1", False), ("broken", "thread-2", True), ("open", "thread-3", True)],
)
async def test_one_message_goes_on_in_the_same_session_and_thread(
    old: Old, label: str, thread: str, is_dirty: bool
) -> None:
    before = (await old.sessions())[label]
    result = await old.ask(label, "who am I?")
    assert (result.session_id, result.backend_id) == (before.session_id, thread)
    assert (result.thread, result.dirty) == ("resumed", is_dirty)
    assert old.agent.threads[thread][1:] == ["who am I?"]
    again = await old.ask(label, "are you sure?")
    assert (again.backend_id, again.dirty) == (thread, False)
    assert old.agent.threads[thread][1:] == ["who am I?", "are you sure?"]


async def test_a_list_with_its_history_is_told_once_and_then_no_more(old: Old) -> None:
    before = (await old.sessions())["done"]
    history = ("my name is Ada", "fine", "who am I?")
    first = await old.ask("done", *history)
    assert (first.session_id, first.thread) == (before.session_id, "fresh")
    (told,) = old.agent.threads[first.backend_id]
    assert told.index("my name is Ada") < told.index("fine") < told.index("who am I?")
    second = await old.ask("done", *history, "fine", "are you sure?")
    assert (second.session_id, second.thread) == (before.session_id, "resumed")
    assert second.backend_id == first.backend_id
    assert old.agent.threads[first.backend_id][1:] == ["are you sure?"]


async def test_a_message_after_it_was_told_is_appended(old: Old) -> None:
    first = await old.ask("done", "my name is Ada", "fine", "who am I?")
    second = await old.ask("done", "are you sure?")
    assert (second.thread, second.backend_id) == ("resumed", first.backend_id)
    assert old.agent.threads[first.backend_id][1:] == ["are you sure?"]


async def test_no_transcript_leads_to_a_session_of_old(old: Old) -> None:
    known = {row.session_id for row in (await old.sessions()).values()}
    stranger = await old.ask(None, "my name is Ada", "fine", "who am I?")
    assert stranger.session_id not in known
    assert stranger.thread == "new"


async def test_its_read_models_are_built_anew_with_the_same_rows(old: Old) -> None:
    await old.ask("done", "who am I?")
    await old.views.wait_for(old.house.log.head(), 10)
    before = {name: digest(path) for name, path in old.views.files().items()}
    for name in before:
        await old.views.rebuild(name)
    assert {name: digest(path) for name, path in old.views.files().items()} == before


async def test_its_tasks_are_listed_with_how_they_ended(old: Old) -> None:
    await old.views.wait_for(old.house.log.head(), 10)
    tasks = (await old.views.tasks.list()).items
    assert [(each.status, each.cause) for each in reversed(tasks)] == [
        ("completed", None),
        ("failed", "cut_stream"),
        ("failed", "gateway_lost"),
    ]
