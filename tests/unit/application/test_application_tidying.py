"""Threads leave the homes when nobody needs them, and the oldest ones when a home grows."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.application import tidying
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.application.tidying import Tidying, portions
from codara.errors import AgentFailed, StorageFull
from codara.events.base import Cause
from codara.events.workspace import ThreadsRemoved
from codara.projections.views import Views
from tests.turn_setup import LIMITS, House, close_house, open_house

MIB = 2**20
BOUND = 20 * MIB
SOON = timedelta(minutes=2)


@attrs.define
class FakeHomes:
    """Homes of threads of 1 MiB each; `fails` names the workspaces that cannot be tidied."""

    holds: dict[tuple[str, str], set[str]] = attrs.field(factory=dict)
    never_freed: int = 0
    grows: Callable[[], None] = lambda: None
    fails: dict[str, Exception] = attrs.field(factory=dict)
    asked: Counter[str] = attrs.field(factory=Counter)
    measured: list[str] = attrs.field(factory=list)
    forgotten: list[str] = attrs.field(factory=list)

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        self.asked[workspace_id] += 1
        if workspace_id in self.fails:
            raise self.fails[workspace_id]
        self.forgotten += backend_ids
        self.holds.get((workspace_id, provider), set()).difference_update(backend_ids)

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        self.measured.append(workspace_id)
        if workspace_id in self.fails:
            raise self.fails[workspace_id]
        return len(self.holds.get((workspace_id, provider), ())) * MIB + self.never_freed


@attrs.define
class Tidied:
    """A house with read models, and who tidies its homes."""

    house: House
    views: Views
    homes: FakeHomes
    tidying: Tidying
    numbers: Any = attrs.field(factory=lambda: count(1))

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """Each fresh thread has an id of its own."""
        thread = turn.backend_id or f"thread-{next(self.numbers)}"
        self.homes.holds.setdefault((turn.workspace_id, turn.provider), set()).add(thread)
        sink.frame(BackendSeen(thread))
        sink.frame(TextDelta("fine"))
        return Outcome(status="completed", backend_id=thread)

    async def once(self, **changes: Any) -> Any:
        """A call without a session's name."""
        return await self.house.ask(session_label=None, **changes)

    async def round(self, **later: float) -> None:
        self.house.clock.move(**later)
        await self.tidying.pass_over()

    async def removed(self) -> list[tuple[str, tuple[str, ...]]]:
        recorded = await self.house.log.read(0, limit=10_000)
        events = [each.event for each in recorded if isinstance(each.event, ThreadsRemoved)]
        return [(each.reason, each.threads) for each in events]

    async def rows(self) -> int:
        (found,) = await self.views.threads.reader.rows("SELECT count(*) AS n FROM threads")
        return int(found["n"])


@pytest.fixture
async def tidied(tmp_path: Path) -> AsyncIterator[Tidied]:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, queue_limit=100))
    views = await Views.open(tmp_path / "views", house.log, clock=house.clock)
    await views.start()
    homes = FakeHomes()
    made = Tidied(house, views, homes, tidier(house, views, homes))
    house.agents.script = made
    yield made
    await views.close()
    await close_house(house)


def tidier(house: House, views: Views, homes: FakeHomes) -> Tidying:
    return Tidying(
        deciding=house.context.deciding,
        threads=views.threads,
        feed=views,
        agents=homes,
        clock=house.clock,
        cause=Cause(actor="system:tidying", correlation_id="gtw_1"),
        bound=BOUND,
    )


# ------------------------------------------------------------------ what has ended


async def test_a_call_that_is_not_kept_leaves_nothing_in_the_home(tidied: Tidied) -> None:
    await tidied.once(persistent=False)
    await tidied.once()
    await tidied.round(minutes=2)
    assert await tidied.removed() == [("ended", ("thread-1",))]
    assert tidied.homes.forgotten == ["thread-1"]
    await tidied.round(hours=25)
    assert await tidied.removed() == [("ended", ("thread-1",)), ("ended", ("thread-2",))]
    assert await tidied.rows() == 0


async def test_a_session_that_is_gone_on_with_keeps_its_thread(tidied: Tidied) -> None:
    for _ in range(3):
        await tidied.house.ask()
        await tidied.round(hours=23)
    assert await tidied.removed() == []
    assert (await tidied.house.ask()).thread == "resumed"


async def test_what_is_gone_is_not_asked_for_again(tidied: Tidied) -> None:
    await tidied.once(persistent=False)
    for _ in range(3):
        await tidied.round(minutes=2)
    assert tidied.homes.forgotten == ["thread-1"]


async def test_the_fact_follows_the_removal_and_one_that_is_lost_is_made_up_for(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tidied.once(persistent=False)
    with monkeypatch.context() as broken:
        broken.setattr(Tidying, "_record", a_full_disk)
        await tidied.round(minutes=2)
    assert (tidied.homes.forgotten, await tidied.removed()) == (["thread-1"], [])
    await tidier(tidied.house, tidied.views, tidied.homes).pass_over()
    assert tidied.homes.forgotten == ["thread-1", "thread-1"]
    assert await tidied.removed() == [("ended", ("thread-1",))]


async def a_full_disk(*_: Any) -> None:
    raise StorageFull("The disk is full.")


async def test_one_fact_names_50_threads_at_most(tidied: Tidied) -> None:
    for _ in range(51):
        await tidied.once(persistent=False)
    await tidied.round(minutes=2)
    assert [len(threads) for _, threads in await tidied.removed()] == [50, 1]
    assert await tidied.rows() == 0


def test_long_ids_make_short_facts() -> None:
    ids = ["\N{GRINNING FACE}" * 256 for _ in range(60)]
    found = list(portions(ids))
    assert [each for portion in found for each in portion] == ids
    assert all(len(ascii(portion)) < 40_000 for portion in found)
    assert list(portions([])) == []


async def test_nothing_is_removed_while_the_read_models_are_behind(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(position: int, seconds: float) -> bool:
        return False

    await tidied.once(persistent=False)
    monkeypatch.setattr(tidied.views, "wait_for", never)
    await tidied.round(minutes=2)
    assert tidied.homes.forgotten == []


# ------------------------------------------------------------------ a home that grows


async def test_above_half_the_oldest_that_nobody_continued_go_first(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "_BATCH", 2)
    await tidied.house.ask(session_label="kept")
    await tidied.house.ask(session_label="kept")
    for _ in range(13):
        await tidied.once()
    await tidied.round()
    assert tidied.homes.forgotten == [f"thread-{number}" for number in range(2, 6)]
    assert await tidied.removed() == [
        ("space", ("thread-2", "thread-3")),
        ("space", ("thread-4", "thread-5")),
    ]
    assert (await tidied.house.ask(session_label="kept")).thread == "resumed"


async def test_a_home_below_half_is_left_alone(tidied: Tidied) -> None:
    for _ in range(10):
        await tidied.once()
    await tidied.round()
    assert (tidied.homes.forgotten, len(tidied.homes.measured)) == ([], 1)


async def test_a_home_is_measured_only_after_a_turn(tidied: Tidied) -> None:
    await tidied.once()
    await tidied.round()
    await tidied.round()
    assert len(tidied.homes.measured) == 1
    await tidied.once()
    await tidied.round()
    assert len(tidied.homes.measured) == 2


async def test_above_the_bound_the_others_go_as_well(tidied: Tidied) -> None:
    for number in range(24):
        for _ in range(2):
            await tidied.house.ask(session_label=f"chat-{number}")
    await tidied.round()
    assert tidied.homes.forgotten == [f"thread-{number}" for number in range(1, 11)]
    assert (await tidied.house.ask(session_label="chat-20")).thread == "resumed"


async def test_between_half_and_the_bound_the_others_stay(tidied: Tidied) -> None:
    for number in range(15):
        for _ in range(2):
            await tidied.house.ask(session_label=f"chat-{number}")
    await tidied.round()
    assert tidied.homes.forgotten == []


async def test_where_a_batch_frees_nothing_the_rest_stays(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tidying, "_BATCH", 2)

    async def full(workspace_id: str, provider: str) -> int:
        return 2 * BOUND

    monkeypatch.setattr(FakeHomes, "home_bytes", staticmethod(full))
    for _ in range(5):
        await tidied.once()
    await tidied.round()
    await tidied.round()
    assert tidied.homes.forgotten == ["thread-1", "thread-2"]
    assert "over workspace.home_bytes" in caplog.text


async def test_a_round_does_so_much_and_the_next_one_goes_on(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "_BATCH", 1)
    for _ in range(18):
        await tidied.once()
    await tidied.round()
    assert len(tidied.homes.forgotten) == 4
    await tidied.round()
    await tidied.round()
    assert len(tidied.homes.forgotten) == 8


async def test_a_session_at_work_keeps_its_thread(tidied: Tidied) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(turn: AgentTurn, sink: FrameSink) -> Outcome:
        reached.set()
        await go_on.wait()
        return await tidied(turn, sink)

    await tidied.house.ask(session_label="chat")
    tidied.homes.never_freed = 3 * BOUND
    tidied.house.agents.script = slowly
    asking = asyncio.create_task(tidied.house.ask(session_label="chat"))
    await reached.wait()
    await tidied.round()
    assert tidied.homes.forgotten == []
    go_on.set()
    assert (await asking).thread == "resumed"
    await tidied.round()
    assert tidied.homes.forgotten == ["thread-1"]


async def test_a_turn_that_the_read_model_does_not_know_yet_keeps_its_thread(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await tidied.once()
    tidied.homes.never_freed = 3 * BOUND
    state = await tidied.house.context.deciding.state(f"session/{known.session_id}")

    async def at_work(stream: str) -> Any:
        return attrs.evolve(state, turn=object())

    monkeypatch.setattr(tidied.house.context.deciding, "state", at_work)
    await tidied.round()
    assert tidied.homes.forgotten == []


# ------------------------------------------------------------------ trouble


async def in_two_workspaces(tidied: Tidied) -> tuple[str, str]:
    first = await tidied.once(workspace="one", persistent=False)
    second = await tidied.once(workspace="two", persistent=False)
    return first.workspace_id, second.workspace_id


@pytest.mark.parametrize(
    "trouble", [AgentFailed("There is no such binary."), OSError("the disk"), TimeoutError()]
)
async def test_one_home_in_trouble_does_not_keep_the_others_from_being_tidied(
    tidied: Tidied, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await in_two_workspaces(tidied)
    tidied.homes.fails[one] = trouble
    await tidied.round(minutes=2)
    assert tidied.homes.forgotten == ["thread-2"]
    assert tidied.homes.measured == [two]
    assert f"in {one} cannot be tidied" in caplog.text


async def test_a_home_in_trouble_is_tried_again_and_each_time_later(tidied: Tidied) -> None:
    one, _ = await in_two_workspaces(tidied)
    tidied.homes.fails[one] = AgentFailed("There is no such binary.")
    tried = []
    for _ in range(16):
        await tidied.round(minutes=1)
        tried.append(tidied.homes.asked[one])
    assert tried == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
    del tidied.homes.fails[one]
    await tidied.round(hours=2)
    assert "thread-1" in tidied.homes.forgotten
    assert not tidied.tidying._troubles


async def test_a_home_that_hangs_is_given_up(
    tidied: Tidied, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = await in_two_workspaces(tidied)
    forget = FakeHomes.forget

    async def hanging(self: FakeHomes, workspace_id: str, *rest: Any) -> None:
        if workspace_id == one:
            await asyncio.Event().wait()
        await forget(self, workspace_id, *rest)

    monkeypatch.setattr(tidying, "_CALL_SECONDS", 0.05)
    monkeypatch.setattr(FakeHomes, "forget", hanging)
    await tidied.round(minutes=2)
    assert tidied.homes.forgotten == ["thread-2"]


async def test_a_home_that_could_not_be_measured_is_measured_later(tidied: Tidied) -> None:
    used = await tidied.once()
    tidied.homes.fails[used.workspace_id] = AgentFailed("Not now.")
    await tidied.round()
    tidied.homes.fails.clear()
    await tidied.round()
    assert len(tidied.homes.measured) == 1
    await tidied.round(minutes=2)
    assert len(tidied.homes.measured) == 2


async def test_it_goes_on_until_it_is_cancelled(tidied: Tidied, caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
    await tidied.once(persistent=False)
    tidied.house.clock.move(minutes=2)
    task = asyncio.create_task(tidied.tidying.keep(pause=0.01))
    async with asyncio.timeout(10):
        while not await tidied.removed():
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert caplog.text == ""
