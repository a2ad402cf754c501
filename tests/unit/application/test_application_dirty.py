"""Dirty: what an answer, and the row of its session, tell of a turn that did not end well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import attrs
import pytest
from chat_clients import STATEFUL, Chat, Profile, chats_of
from remembering_agent import USER, Said
from restarted_gateway import Gateway

from codara import errors
from codara.application.ports.workspaces import Snapshot
from codara.application.turns.commands import TurnResult
from codara.events.session import TurnCancelled, TurnFailed
from codara.projections.sessions import SessionRow
from codara.projections.views import Views
from tests import event_examples
from tests.fakes.standings import standing
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import command

HELLO = Said(USER, "hello")


@attrs.define
class SlowWorkspaces(FakeWorkspaces):
    """Keeps turns from their start while it is not `quick`."""

    quick: asyncio.Event = attrs.field(factory=asyncio.Event)
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.quick.set()

    async def snapshot(self, workspace_id: str, folder: Path) -> Snapshot:
        if not self.quick.is_set():
            self.asked.set()
            await self.quick.wait()
        return await super().snapshot(workspace_id, folder)


@attrs.define
class Scene:
    gateway: Gateway
    workspaces: SlowWorkspaces
    chat: Chat

    async def answer(self) -> TurnResult:
        """One more turn, which completes."""
        self.gateway.house.standings.accounts = [standing()]
        await self.chat.ask(Said(USER, "and now?"), "fine")
        assert self.chat.result is not None
        return self.chat.result

    async def row(self) -> SessionRow:
        """The session, as read models that are folded just now show it."""
        log = self.gateway.house.log
        views = await Views.open(
            self.gateway.folder / f"rows{log.head()}", log, clock=self.gateway.house.clock
        )
        try:
            await views.catch_up()
            (row,) = (await views.sessions.list()).items
            assert await views.sessions.get(row.session_id) == row
        finally:
            await views.close()
        return row

    async def is_waiting(self) -> str:
        """Begins a turn that does not come to its start."""
        self.workspaces.quick.clear()
        handle = await self.gateway.house.turns.submit(command(session_label=self.chat.name))
        await self.workspaces.asked.wait()
        return handle.turn_id


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    workspaces = SlowWorkspaces()
    gateway = await Gateway(tmp_path, workspaces=workspaces).open()
    chat, other = chats_of(gateway, [Profile(kind=STATEFUL), Profile()])
    await other.ask(HELLO, "fine")
    yield Scene(gateway, workspaces, chat)
    workspaces.quick.set()
    await gateway.stop()


async def completes(scene: Scene) -> None:
    await scene.answer()


async def fails(scene: Scene) -> None:
    await scene.chat.fail(HELLO, deaf=False, keeps=True)


async def fails_unheard(scene: Scene) -> None:
    await scene.chat.fail(HELLO, deaf=True, keeps=True)


async def is_refused(scene: Scene) -> None:
    scene.gateway.house.standings.accounts = []
    with pytest.raises(errors.NoAccount):
        await scene.gateway.house.ask("hello", session_label=scene.chat.name)


async def is_stopped(scene: Scene) -> None:
    await scene.chat.stop(HELLO, shows=None)
    await scene.gateway.house.happened(TurnCancelled.name)


async def is_cancelled_before_its_start(scene: Scene) -> None:
    """While it waits for an account."""
    house = scene.gateway.house
    taken = [
        *iter(partial(house.context.slots.reserve, "account", event_examples.ACCOUNT, 20), None)
    ]
    handle = await house.turns.submit(command(session_label=scene.chat.name))
    await house.turns.cancel(handle.turn_id, None, event_examples.CAUSE)
    await house.happened(TurnCancelled.name)
    for lease in taken:
        house.context.slots.give(lease)


async def is_lost(scene: Scene) -> None:
    await scene.chat.lose(HELLO, shows=None, heard=True)
    assert (await scene.gateway.house.the(TurnFailed)).cause == "gateway_lost"


async def is_lost_before_its_start(scene: Scene) -> None:
    await scene.is_waiting()
    await scene.gateway.die()
    scene.workspaces.quick.set()
    await scene.gateway.open()
    assert (await scene.gateway.house.the(TurnFailed)).cause == "gateway_lost"


End = Callable[[Scene], Awaitable[None]]

WELL: tuple[End, ...] = (
    completes,
    is_refused,
    is_cancelled_before_its_start,
    is_lost_before_its_start,
)
"""Nothing is left of these: the turn completed, or it never began."""
BADLY: tuple[End, ...] = (fails, fails_unheard, is_stopped, is_lost)


@pytest.mark.parametrize("end", WELL)
async def test_a_turn_that_leaves_nothing_half_done_leaves_no_dirt(scene: Scene, end: End) -> None:
    await scene.answer()
    await end(scene)
    row = await scene.row()
    assert (row.status, row.dirty) == ("idle", False)
    assert not (await scene.answer()).dirty


@pytest.mark.parametrize("end", BADLY)
async def test_a_turn_that_began_and_did_not_complete_leaves_its_session_dirty(
    scene: Scene, end: End
) -> None:
    await scene.answer()
    await end(scene)
    row = await scene.row()
    assert (row.status, row.dirty) == ("dirty", True)
    assert (await scene.answer()).dirty
    row = await scene.row()
    assert (row.status, row.dirty) == ("idle", False)
    assert not (await scene.answer()).dirty


@pytest.mark.parametrize("end", [each for each in WELL if each is not completes])
async def test_dirt_stays_until_a_turn_completes(scene: Scene, end: End) -> None:
    await fails(scene)
    await end(scene)
    row = await scene.row()
    assert (row.status, row.dirty) == ("dirty", True)
    assert (await scene.answer()).dirty


@pytest.mark.parametrize("end", BADLY)
async def test_a_reset_takes_the_dirt_away(scene: Scene, end: End) -> None:
    await end(scene)
    await scene.gateway.reset((await scene.row()).session_id)
    row = await scene.row()
    assert (row.status, row.dirty) == ("idle", False)
    assert not (await scene.answer()).dirty


async def test_while_a_turn_runs_its_session_tells_of_the_one_before(scene: Scene) -> None:
    await fails(scene)
    await scene.is_waiting()
    row = await scene.row()
    assert (row.status, row.dirty) == ("active", True)
