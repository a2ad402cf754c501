"""After a crash nothing is active for ever, and everything acknowledged is there."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import attrs
import orjson
import pytest

from codara import errors
from codara.adapters.workspaces.folders import Folders
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.application.ports.workspaces import Snapshot, Upload
from codara.application.recovery import Recovery
from codara.domain.uploads import folder_of
from codara.events import streams
from codara.events.base import Event
from codara.events.gateway import GatewayRecovered
from codara.events.session import TurnFailed
from codara.events.store.digests import leaf_hash
from codara.events.store.mapper import MAX_EVENT_BYTES
from codara.events.workspace import DiffRecorded
from codara.projections.unfinished import LeftJailRow, OpenTurnRow
from tests import event_examples
from tests.fakes.agents import says_hello
from tests.fakes.spool import FakeSpool
from tests.fakes.sweeper import FakeSweeper
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import LIMITS, House, command, open_house

LEFT = LeftJailRow(jail_id=event_examples.JAIL, inner_pid=4711, start_time=1, boot_id="b")


NOTES = Upload("notes.md", b"# Notes")


@attrs.define
class SlowWorkspaces(FakeWorkspaces):
    """Takes for ever over a snapshot once something is staged, and says that it was asked then."""

    asked: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        if not self.staged:
            return await super().snapshot(workspace_id, folder)
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError("never")


@attrs.define
class FakeUnfinished:
    """What the read models say is open."""

    open_turns: list[OpenTurnRow]
    open_jails: list[LeftJailRow]

    async def turns(self) -> Sequence[OpenTurnRow]:
        return self.open_turns

    async def jails(self) -> Sequence[LeftJailRow]:
        return self.open_jails


@attrs.define
class Crash:
    """A gateway that dies in the middle of turns: its tasks are simply no more."""

    folder: Path
    workspaces: FakeWorkspaces | Folders = attrs.field(factory=FakeWorkspaces)
    spool: FakeSpool = attrs.field(factory=FakeSpool)
    opened: list[House] = attrs.field(factory=list)

    async def house(self) -> House:
        house = await open_house(self.folder, LIMITS, workspaces=self.workspaces, spool=self.spool)
        self.opened.append(house)
        return house

    async def die(self, house: House, *turns: OpenTurnRow) -> tuple[House, FakeSweeper]:
        """The log closes as it is; the next gateway recovers from it."""
        for carrier in list(house.turns.running._carriers):
            carrier.cancel()
        await asyncio.gather(*house.turns.running._carriers, return_exceptions=True)
        await house.log.close()
        after = await self.house()
        sweeper = FakeSweeper()
        recovery = Recovery(
            context=after.context,
            unfinished=FakeUnfinished(list(turns), [LEFT]),
            sweeper=sweeper,
            gateway_id="gtw_2",
        )
        await recovery.run()
        return after, sweeper


@pytest.fixture
async def crash(tmp_path: Path) -> AsyncIterator[Crash]:
    made = Crash(tmp_path)
    yield made
    for house in made.opened:
        await house.turns.close(0.0)
        await house.log.close()
    if isinstance(made.workspaces, Folders):
        await made.workspaces.close()


async def stuck(turn: AgentTurn, sink: FrameSink) -> Outcome:
    sink.frame(BackendSeen("backend-1"))
    sink.raw(b"{}")
    sink.frame(TextDelta("half an ans"))
    await asyncio.Event().wait()
    raise AssertionError("never")


async def started_turn(house: House, **changes: object) -> OpenTurnRow:
    handle = await house.turns.submit(command(**changes))
    await handle.started()
    async for frame in handle.frames():
        if isinstance(frame, TextDelta):
            break
    await house.happened("session.backend_bound")
    return OpenTurnRow(
        turn_id=handle.turn_id,
        session_id=handle.session_id,
        workspace_id=handle.workspace_id,
        user_id=event_examples.USER,
        started=True,
    )


async def facts(house: House, kind: type[Event]) -> list[Event]:
    recorded = await house.log.read(0, limit=10_000)
    return [each.event for each in recorded if isinstance(each.event, kind)]


async def test_a_lost_turn_is_failed_with_its_partial_diff_and_every_release(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house)
    crash.workspaces.files["half.txt"] = "x"
    after, sweeper = await crash.die(house, left)
    failed = await after.the(TurnFailed)
    assert (failed.cause, failed.code) == ("gateway_lost", "agent_failed")
    assert (await after.the(DiffRecorded)).files[0].path == "half.txt"
    assert (await after.trail("lease"))[-2:] == ["lease.released", "lease.released"]
    assert (await after.trail("workspace"))[-1] == "workspace.unlocked"
    assert sweeper.swept == [event_examples.JAIL]
    assert (await after.the(GatewayRecovered)).turns == (left.turn_id,)


async def test_the_uploads_of_a_lost_turn_are_taken_away(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house, uploads=(NOTES,))
    assert list(crash.workspaces.staged) == [folder_of(left.turn_id)]
    await crash.die(house, left)
    assert crash.workspaces.staged == {}


async def test_the_uploads_of_a_turn_that_was_about_to_start_are_taken_away(crash: Crash) -> None:
    crash.workspaces = SlowWorkspaces()
    house = await crash.house()
    handle = await house.turns.submit(command(uploads=(NOTES,)))
    await crash.workspaces.asked.wait()
    assert list(crash.workspaces.staged) == [folder_of(handle.turn_id)]
    left = OpenTurnRow(
        turn_id=handle.turn_id,
        session_id=handle.session_id,
        workspace_id=handle.workspace_id,
        user_id=event_examples.USER,
        started=False,
    )
    after, _ = await crash.die(house, left)
    assert (await after.the(TurnFailed)).cause == "gateway_lost"
    assert crash.workspaces.staged == {}


async def test_the_next_turn_resumes_the_thread_of_the_lost_one(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    after, _ = await crash.die(house, await started_turn(house))
    result = await after.ask("go on")
    assert result.thread == "resumed"
    assert after.agents.turns[0].backend_id == "backend-1"


async def test_recovering_twice_says_nothing_new(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house)
    once, _ = await crash.die(house, left)
    twice, _ = await crash.die(once, left)
    assert len(await facts(twice, TurnFailed)) == 1


async def test_a_turn_that_only_waited_is_failed_and_frees_its_key(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house, session_label="a")
    limits = attrs.evolve(house.context.limits, account_slots=1)
    object.__setattr__(house.context, "limits", limits)
    wanted = command("x", workspace="elsewhere", session_label="b", idempotency_key="k")
    waiting = await house.turns.submit(wanted)
    queued = attrs.evolve(left, turn_id=waiting.turn_id, session_id=waiting.session_id)
    after, _ = await crash.die(house, left, attrs.evolve(queued, started=False))
    assert len(await facts(after, TurnFailed)) == 2
    result = await after.ask("x", workspace="elsewhere", session_label="b", idempotency_key="k")
    assert result.text == "hello"


async def test_a_lost_turn_with_frames_keeps_its_key(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house, idempotency_key="k")
    after, _ = await crash.die(house, left)
    again = await after.turns.submit(command(idempotency_key="k"))
    with pytest.raises(errors.AgentFailed) as raised:
        await again.result()
    assert (raised.value.cause, raised.value.retry_safe) == ("gateway_lost", False)


async def test_a_turn_that_ended_in_time_is_left_alone(crash: Crash) -> None:
    house = await crash.house()
    house.agents.script = says_hello
    result = await house.ask()
    left = OpenTurnRow(
        turn_id=result.turn_id,
        session_id=result.session_id,
        workspace_id=result.workspace_id,
        user_id=event_examples.USER,
        started=True,
    )
    after, _ = await crash.die(house, left)
    assert await facts(after, TurnFailed) == []


@attrs.define
class UnreadableSpool(FakeSpool):
    readable: bool = False

    async def read(self, turn_id: str) -> bytes:
        if not self.readable:
            raise errors.LogDamaged("the vault cannot be read")
        return await super().read(turn_id)


def make_unreadable(log: Path, stream: str) -> None:
    """What was stored of the stream, digests and all, is nothing that could be read."""
    with closing(sqlite3.connect(log)) as db, db:
        db.execute("DROP TRIGGER stored_events_refuse_update")
        db.execute("DROP TRIGGER event_digests_refuse_update")
        db.execute("UPDATE stored_events SET state = ? WHERE originator_id = ?", (b"?", stream))
        changed = "SELECT position, originator_version, topic FROM stored_events"
        for position, version, topic in db.execute(f"{changed} WHERE state = ?", (b"?",)):
            values = leaf_hash(stream, version, topic, b"?"), position
            db.execute("UPDATE event_digests SET hash = ? WHERE position = ?", values)


def deep(folder: Path, number: int) -> str:
    """Makes a file as deep below the folder as a system call reaches, and tells its path there."""
    steps = [f"{number:02}", *["d" * 250] * 14]
    here = os.open(folder, os.O_RDONLY)
    for step in steps:
        os.mkdir(step, dir_fd=here)
        here, above = os.open(step, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    return "/".join([*steps, "file"])


async def test_a_lost_turn_of_long_paths_is_recovered_with_all_of_them(crash: Crash) -> None:
    crash.workspaces = Folders(crash.folder / "root", crash.folder / "trees")
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house)
    folder = crash.workspaces.folder(event_examples.USER, "default")
    paths = [deep(folder, number) for number in range(20)]
    assert sum(map(len, paths)) > MAX_EVENT_BYTES
    after, _ = await crash.die(house, left)
    diff = await after.the(DiffRecorded)
    listed = orjson.loads(await after.log.open_payload(diff.files_payload))
    assert sorted(change["path"] for change in listed) == sorted(paths)
    assert (diff.changed, diff.truncated, diff.files) == (20, False, ())
    assert (await after.the(TurnFailed)).cause == "gateway_lost"
    assert (await after.ask("go on")).text == "hello"


async def test_a_lost_turn_of_which_nothing_can_be_told_is_released_all_the_same(
    crash: Crash,
) -> None:
    crash.spool = spool = UnreadableSpool()
    house = await crash.house()
    house.agents.script = stuck
    left = await started_turn(house, idempotency_key="k")
    crash.workspaces.files["half.txt"] = "x"
    after, _ = await crash.die(house, left)
    failed, diff = await after.the(TurnFailed), await after.the(DiffRecorded)
    assert (failed.cause, failed.end.tool_ran, failed.end.frames) == ("gateway_lost", True, None)
    assert (diff.base, diff.truncated, diff.partial) == (diff.final, True, ("unknown",))
    assert (await after.trail("lease"))[-2:] == ["lease.released", "lease.released"]
    assert (await after.trail("workspace"))[-1] == "workspace.unlocked"
    assert "idempotency.freed" not in await after.trail("idempotency")
    assert list(spool.kept) == [left.turn_id]
    spool.readable = True
    assert (await after.ask("go on")).text == "hello"


async def test_a_turn_that_cannot_be_read_keeps_neither_the_others_open_nor_the_gateway_closed(
    crash: Crash,
) -> None:
    house = await crash.house()
    house.agents.script = stuck
    unreadable = await started_turn(house, session_label="a", workspace="a")
    other = await started_turn(house, session_label="b", workspace="b")
    make_unreadable(crash.folder / "events.db", streams.session(unreadable.session_id))
    after, _ = await crash.die(house, unreadable, other)
    ended = (await after.log.last(streams.session(other.session_id))).event
    assert isinstance(ended, TurnFailed)
    assert (await after.log.last(streams.GATEWAY)).event.turns == (other.turn_id,)


async def test_more_than_one_fact_can_name_is_recovered(crash: Crash) -> None:
    house = await crash.house()
    result = await house.ask()
    left = OpenTurnRow(
        turn_id=result.turn_id,
        session_id=result.session_id,
        workspace_id=result.workspace_id,
        user_id=event_examples.USER,
        started=True,
    )
    many = [attrs.evolve(left, turn_id=f"trn_{number:096}") for number in range(700)]
    after, _ = await crash.die(house, *many)
    recovered = await facts(after, GatewayRecovered)
    named = [turn_id for each in recovered for turn_id in each.turns]
    assert named == [each.turn_id for each in many]
