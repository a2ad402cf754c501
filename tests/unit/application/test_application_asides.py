"""What is asked beside a chat runs in a place of its own, waits for nothing and leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from codara import errors
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import TextDelta
from codara.events import streams
from codara.events.session import TurnStarted
from codara.events.workspace import WorkspaceProvisioned
from tests import event_examples
from tests.fakes.agents import says_hello
from tests.turn_setup import LIMITS, House, close_house, command, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path, attrs.evolve(LIMITS, account_slots=8))
    yield opened
    await close_house(opened)


class Held:
    """An agent whose turns end when they are let go, all but those of asides if so wished."""

    def __init__(self, *, asides: bool = True) -> None:
        self.go = asyncio.Event()
        self.asides = asides

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        if self.asides or not turn.toolless:
            await self.go.wait()
        sink.frame(TextDelta("done"))
        return Outcome(status="completed", backend_id=f"thread of {turn.turn_id}")


def an_aside(text: str = "give it a title", **changes: object):
    return command(text, session_label=None, persistent=False, aside=True, **changes)


async def answered(house: House, request: object):
    return await (await house.turns.submit(request)).result()


async def test_an_aside_runs_while_a_turn_holds_the_chats_workspace(house: House) -> None:
    house.agents.script = Held(asides=False)
    chat = await house.turns.submit(command("work", workspace="shared"))
    aside = await answered(house, an_aside(workspace="shared"))
    assert (aside.aside, aside.text) == (True, "done")
    assert aside.workspace_id != chat.workspace_id
    started = await house.the(TurnStarted)
    assert started.waited is None
    house.agents.script.go.set()
    assert (await chat.result()).text == "done"


async def test_asides_have_two_places_beside_the_users_limit(house: House) -> None:
    house.agents.script = Held()
    asks = [command(f"work {at}", workspace=f"w{at}", session_label=None) for at in range(3)]
    asides = [an_aside(f"title {at}") for at in range(2)]
    running = [await house.turns.submit(each) for each in (*asks, *asides)]
    assert len({each.workspace_id for each in running}) == 5
    with pytest.raises(errors.ConcurrencyLimit, match="asides"):
        await house.turns.submit(an_aside("title 3", refuse=True))
    for each in running:
        await each.started()
    leases = [each.leases[0] for each in await started(house)]
    assert [lease.split("/")[1] for lease in leases] == ["user"] * 3 + ["aside"] * 2
    house.agents.script.go.set()
    for each in running:
        assert (await each.result()).text == "done"


async def started(house: House) -> list[TurnStarted]:
    recorded = await house.log.read(0, limit=1000)
    return [each.event for each in recorded if isinstance(each.event, TurnStarted)]


async def test_an_aside_has_no_tools_and_may_write_nothing(house: House) -> None:
    await answered(house, an_aside())
    turn = house.agents.turns[-1]
    assert (turn.toolless, turn.read_only) == (True, True)
    await answered(house, command("work"))
    turn = house.agents.turns[-1]
    assert (turn.toolless, turn.read_only) == (False, False)


async def test_its_home_is_emptied_before_and_after_it(house: House) -> None:
    seen: list[int] = []

    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        seen.append(house.agents.emptied.count(turn.workspace_id))
        return await says_hello(turn, sink)

    house.agents.script = script
    aside = await answered(house, an_aside())
    await nobody_runs(house)
    assert (seen, house.agents.emptied.count(aside.workspace_id)) == ([1], 2)
    await answered(house, command("work"))
    assert house.agents.emptied == [aside.workspace_id] * 2


async def nobody_runs(house: House) -> None:
    async with asyncio.timeout(5):
        while house.turns.running._carriers:
            await asyncio.wait(set(house.turns.running._carriers))


async def test_a_place_is_given_to_the_next_aside_once_it_is_empty(house: House) -> None:
    empty, emptying = asyncio.Event(), asyncio.Event()
    ended = False

    async def slow(workspace_id: str) -> None:
        if ended:
            emptying.set()
            await empty.wait()

    first = await house.turns.submit(an_aside("first"))
    second = await house.turns.submit(an_aside("second"))
    for each in (first, second):
        await each.result()
    await nobody_runs(house)
    house.agents.emptying = slow
    ended = True
    waiting = [asyncio.create_task(answered(house, an_aside(f"next {at}"))) for at in range(2)]
    await emptying.wait()
    with pytest.raises(errors.ConcurrencyLimit):
        await house.turns.submit(an_aside("third", refuse=True))
    empty.set()
    places = {(await each).workspace_id for each in waiting}
    await nobody_runs(house)
    assert places == {first.workspace_id, second.workspace_id}
    assert (await answered(house, an_aside("third"))).workspace_id in places


async def test_a_home_that_cannot_be_emptied_costs_an_aside_nothing(house: House) -> None:
    async def broken(workspace_id: str) -> None:
        raise OSError("it is full of stones")

    house.agents.emptying = broken
    assert (await answered(house, an_aside())).text == "hello"
    await nobody_runs(house)
    assert (await answered(house, an_aside())).text == "hello"


async def test_an_aside_that_fails_or_is_stopped_leaves_nothing_as_well(house: House) -> None:
    async def fails(turn: AgentTurn, sink: FrameSink) -> Outcome:
        return Outcome(status="failed", cause="cut_stream")

    house.agents.script = fails
    with pytest.raises(errors.AgentFailed):
        await answered(house, an_aside())
    await nobody_runs(house)
    assert len(house.agents.emptied) == 2
    house.agents.script = Held()
    handle = await house.turns.submit(an_aside())
    await house.turns.cancel(handle.turn_id, None, event_examples.by("operator:op_1"))
    with pytest.raises(errors.CodaraError):
        await handle.result()
    await nobody_runs(house)
    assert len(house.agents.emptied) == 4
    assert await answered_at_once(house)


async def answered_at_once(house: House) -> bool:
    """Whether both places are free again."""
    house.agents.script = says_hello
    return all([(await answered(house, an_aside(refuse=True))).text == "hello" for _ in range(2)])


async def test_nobody_can_name_a_place_for_asides(house: House) -> None:
    aside = await answered(house, an_aside())
    made = await house.the(WorkspaceProvisioned)
    assert (made.aside, made.workspace_id) == (True, aside.workspace_id)
    with pytest.raises(errors.NotFound):
        await house.turns.submit(command("look", workspace=aside.workspace_id))
    with pytest.raises(errors.WorkspaceAccessDenied):
        await house.turns.submit(command("look", workspace_root=made.folder))
    held = await house.context.deciding.state(streams.workspace(aside.workspace_id))
    assert held.aside


async def test_asides_use_their_places_again(house: House) -> None:
    used = []
    for at in range(3):
        used.append((await answered(house, an_aside(f"title {at}"))).workspace_id)
        await nobody_runs(house)
    assert len(set(used)) == 1
