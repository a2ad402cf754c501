"""The line: everything at once or nothing, fair to users, and nobody waits for nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codara.application.turns.places import HeldPlaces, Lack, Wanted
from codara.application.turns.waiting import Entered, Line
from codara.errors import CodaraError, ConcurrencyLimit, Overloaded, WorkspaceBusy
from tests.event_examples import NOW
from tests.fakes.clock import FixedClock

AT_ONCE = Entered(0.0, None)
FOREVER = 20.0
"""Seconds; no test that passes waits them out."""


def wanted(turn_id: str, user_id: str = "ann", **changes: Any) -> Wanted:
    """A turn that wants nothing but a place."""
    ready = Wanted(request_id=f"req_{turn_id}", turn_id=turn_id, user_id=user_id, user_limit=99)
    return attrs.evolve(ready, **changes)


@attrs.define
class Scene:
    """A line, the turns that came to it, and the order in which they went in."""

    line: Line
    clock: FixedClock
    went: list[str] = attrs.field(factory=list)
    inside: dict[str, Wanted] = attrs.field(factory=dict)
    came: dict[str, Wanted] = attrs.field(factory=dict)
    tasks: dict[str, asyncio.Task[Entered]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, *, places: int = 10, queue_limit: int = 100) -> "Scene":
        clock = FixedClock()
        return cls(Line(max_concurrency=places, queue_limit=queue_limit, clock=clock), clock)

    def send(self, what: Wanted, seconds: float = FOREVER, **how: Any) -> asyncio.Task[Entered]:
        """The turn is on its way to the line."""
        until = asyncio.get_running_loop().time() + seconds
        self.came[what.turn_id] = what
        task = self.tasks[what.turn_id] = asyncio.create_task(self._enter(what, until, **how))
        return task

    async def comes(self, turn_id: str, user_id: str = "ann", **changes: Any) -> bool:
        """The turn has come to the line; whether it went in at once."""
        task = self.send(wanted(turn_id, user_id, **changes))
        await settled()
        return task.done()

    async def leaves(self, turn_id: str) -> list[str]:
        """Who went in because that turn left."""
        before = len(self.went)
        self.leave(turn_id)
        await settled()
        return self.went[before:]

    def leave(self, turn_id: str) -> None:
        self.line.leave(self.inside.pop(turn_id))

    def line_up(self) -> list[str]:
        return [each.wanted.turn_id for each in self.line.waiting()]

    def lacks(self) -> dict[str, Lack]:
        return {each.wanted.turn_id: each.lack for each in self.line.waiting()}

    async def closed(self) -> None:
        """Everybody has gone, and nothing is held."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        for each in self.came.values():
            self.line.leave(each)
        assert not self.line.waiting()
        assert self.line._served == {None: {}}
        for each in self.came.values():
            assert self.line.enter_now(attrs.evolve(each, user_limit=1)) == AT_ONCE
            self.line.leave(each)

    async def _enter(self, what: Wanted, until: float, **how: Any) -> Entered:
        entered = await self.line.enter(what, until, **how)
        self.went.append(what.turn_id)
        self.inside[what.turn_id] = what
        return entered


async def settled() -> None:
    """Whatever could happen has happened, but for what takes time."""
    for _ in range(5):
        await asyncio.sleep(0)


class StillLoop(asyncio.SelectorEventLoop):
    """A loop whose time stands still until it is moved."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def timers(self) -> list[asyncio.TimerHandle]:
        return [each for each in self._scheduled if not each.cancelled()]


def in_still_time(play: Callable[[StillLoop], Awaitable[None]]) -> None:
    """Plays a scene to its end; no call of the loop's may fail, and no timer may be left."""
    failed: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StillLoop)
        loop.set_exception_handler(lambda _, context: failed.append(context))
        await play(loop)
        assert not loop.timers()

    with asyncio.Runner(loop_factory=StillLoop) as runner:
        runner.run(main())
    assert not failed


def without_suspending(line: Line, what: Wanted, **how: Any) -> Entered:
    """What `enter` returns to one who sends it once, without a loop."""
    with pytest.raises(StopIteration) as ended:
        line.enter(what, FOREVER, **how).send(None)
    entered: Entered = ended.value.value
    return entered


# --- everything at once, or nothing ---


def test_what_is_free_is_taken_without_suspending() -> None:
    line = Scene.of().line
    assert without_suspending(line, wanted("t1", workspace_id="w")) == AT_ONCE
    assert line.holder_of_workspace("w") == "t1"


def test_a_turn_that_cannot_have_everything_takes_nothing() -> None:
    line = Scene.of().line
    assert line.enter_now(wanted("t1", workspace_id="w", user_limit=2))
    assert line.enter_now(wanted("t2", workspace_id="w", user_limit=2)) is None
    assert line.enter_now(wanted("t3", user_limit=2))


async def test_a_waiter_holds_nothing_while_it_waits() -> None:
    scene = Scene.of()
    await scene.comes("t1", workspace_id="w", user_limit=2)
    assert not await scene.comes("t2", workspace_id="w", user_limit=2)
    assert await scene.comes("t3", user_limit=2)
    assert await scene.leaves("t1") == ["t2"]
    await scene.closed()


async def test_a_turn_that_leaves_gives_everything_to_whoever_waits_for_it() -> None:
    scene = Scene.of(places=3)
    await scene.comes("t1", workspace_id="w", user_limit=1)
    assert not await scene.comes("t2", workspace_id="w", user_limit=1)
    assert await scene.leaves("t1") == ["t2"]
    assert scene.line.holder_of_workspace("w") == "t2"
    await scene.closed()


async def test_leaving_twice_gives_back_once() -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1")
    await scene.comes("t2")
    await scene.comes("t3")
    assert await scene.leaves("t1") == ["t2"]
    scene.line.leave(scene.came["t1"])
    await settled()
    assert scene.went == ["t1", "t2"]
    await scene.closed()


async def test_a_turn_enters_once() -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1")
    await scene.comes("t2")
    for turn_id in ("t1", "t2"):
        with pytest.raises(RuntimeError):
            scene.line.enter_now(wanted(turn_id))
    await scene.closed()


# --- asides ---


async def test_asides_have_two_places_of_their_own_for_each_user() -> None:
    scene = Scene.of()
    assert await scene.comes("t1", user_limit=1)
    for turn_id in ("a1", "a2"):
        assert await scene.comes(turn_id, user_limit=1, exempt=True)
    assert not await scene.comes("a3", user_limit=1, exempt=True)
    assert await scene.comes("a4", "bob", user_limit=1, exempt=True)
    assert scene.lacks() == {"a3": Lack("user_limit", "a1")}
    assert await scene.leaves("t1") == []
    assert await scene.leaves("a2") == ["a3"]
    await scene.closed()


async def test_an_aside_takes_a_place_of_the_gateway() -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1")
    assert not await scene.comes("a1", exempt=True)
    assert scene.lacks() == {"a1": Lack("gateway", None)}
    await scene.closed()


# --- whose turn it is ---


async def test_the_user_who_was_served_longest_ago_is_next() -> None:
    scene = Scene.of(places=1)
    for turn_id in ("a1", "a2", "a3", "a4"):
        await scene.comes(turn_id, "ann")
    for turn_id in ("b1", "b2"):
        await scene.comes(turn_id, "bob")
    await scene.comes("c1", "cid")
    for turn_id in ("a1", "b1", "c1", "a2", "b2", "a3"):
        await scene.leaves(turn_id)
    assert scene.went == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    await scene.closed()


async def test_a_user_who_comes_back_goes_behind_those_who_waited_meanwhile() -> None:
    scene = Scene.of(places=1)
    await scene.comes("a1", "ann")
    await scene.comes("a2", "ann")
    await scene.comes("b1", "bob")
    assert await scene.leaves("a1") == ["b1"]
    await scene.comes("b2", "bob")
    await scene.comes("c1", "cid")
    assert await scene.leaves("b1") == ["c1"]
    await scene.comes("c2", "cid")
    assert await scene.leaves("c1") == ["a2"]
    await scene.closed()


async def test_who_is_inside_has_been_served_however_long_nobody_waited() -> None:
    scene = Scene.of(places=2)
    await scene.comes("a1", "ann")
    await scene.comes("b1", "bob")
    await scene.leaves("b1")
    await scene.comes("b2", "bob")
    await scene.comes("a2", "ann")
    await scene.comes("c1", "cid")
    assert await scene.leaves("b2") == ["c1"]
    await scene.closed()


async def test_one_users_turns_go_in_the_order_in_which_they_came() -> None:
    scene = Scene.of(places=1)
    for number in range(5):
        await scene.comes(f"t{number}")
    for number in range(4):
        assert await scene.leaves(f"t{number}") == [f"t{number + 1}"]
    await scene.closed()


async def test_a_turn_that_needs_something_busy_keeps_nobody_else_back() -> None:
    scene = Scene.of(places=2)
    await scene.comes("t1", workspace_id="w")
    await scene.comes("t2")
    assert not await scene.comes("t3", workspace_id="w")
    assert not await scene.comes("t4")
    assert await scene.leaves("t2") == ["t4"]
    assert await scene.leaves("t4") == []
    assert await scene.comes("t5", workspace_id="w2")
    await scene.closed()


async def test_users_alternate_for_a_workspace() -> None:
    scene = Scene.of()
    for turn_id, user_id in zip(("a1", "a2", "a3", "b1", "b2"), "aaabb", strict=True):
        await scene.comes(turn_id, user_id, workspace_id="w")
    for turn_id in ("a1", "b1", "a2", "b2"):
        await scene.leaves(turn_id)
    assert scene.went == ["a1", "b1", "a2", "b2", "a3"]
    await scene.closed()


async def test_users_alternate_for_a_workspace_whatever_else_they_are_served() -> None:
    scene = Scene.of()
    await scene.comes("b1", "bob", workspace_id="w")
    await scene.comes("a1", "ann", workspace_id="w")
    await scene.comes("b2", "bob", workspace_id="w")
    await scene.comes("b3", "bob", workspace_id="w")
    assert await scene.leaves("b1") == ["a1"]
    await scene.comes("a2", "ann", workspace_id="w")
    assert await scene.leaves("a1") == ["b2"]
    assert await scene.comes("a3", "ann")
    assert await scene.leaves("b2") == ["a2"]
    assert await scene.leaves("a2") == ["b3"]
    await scene.closed()


async def test_who_has_a_workspace_gets_it_again_after_those_who_had_it_longer_ago() -> None:
    scene = Scene.of()
    await scene.comes("a1", "ann", workspace_id="w")
    await scene.comes("b1", "bob", workspace_id="w")
    assert await scene.leaves("a1") == ["b1"]
    await scene.comes("b2", "bob", workspace_id="w")
    await scene.comes("a2", "ann", workspace_id="w")
    await scene.comes("c1", "cid", workspace_id="w")
    assert await scene.leaves("b1") == ["c1"]
    assert await scene.leaves("c1") == ["a2"]
    assert await scene.leaves("a2") == ["b2"]
    await scene.closed()


async def test_who_came_first_for_a_workspace_gets_it_before_later_ones_of_its_user() -> None:
    scene = Scene.of(places=2)
    await scene.comes("t1", workspace_id="w", user_limit=2)
    assert not await scene.comes("t2", workspace_id="w", user_limit=2)
    await scene.comes("x1", "bob")
    assert await scene.leaves("t1") == ["t2"]
    assert not await scene.comes("t3", workspace_id="w", user_limit=2)
    assert not await scene.comes("t4", workspace_id="w", user_limit=2)
    assert await scene.leaves("t2") == ["t3"]
    await scene.closed()


async def test_a_raised_limit_serves_first_those_who_wait() -> None:
    scene = Scene.of()
    await scene.comes("t1", user_limit=1)
    assert not await scene.comes("t2", user_limit=1)
    assert not await scene.comes("t3", user_limit=2)
    assert scene.went == ["t1", "t2"]
    assert await scene.comes("t4", user_limit=9)
    assert sorted(scene.went) == ["t1", "t2", "t3", "t4"]
    await scene.closed()


async def test_a_lowered_limit_holds_for_those_who_wait() -> None:
    scene = Scene.of()
    for turn_id in ("t1", "t2", "t3"):
        await scene.comes(turn_id, user_limit=2)
    await scene.comes("t4", user_limit=1)
    assert await scene.leaves("t1") == []
    assert await scene.leaves("t2") == ["t3"]
    await scene.closed()


# --- bounds ---


async def test_nobody_holds_more_than_a_quarter_of_the_line() -> None:
    scene = Scene.of(places=1, queue_limit=8)
    await scene.comes("t0")
    assert not await scene.comes("t1")
    assert not await scene.comes("t2")
    with pytest.raises(ConcurrencyLimit, match="wait as may") as refused:
        await scene.send(wanted("t3"))
    assert refused.value.retry_after == 1.0
    assert not await scene.comes("b1", "bob")
    assert scene.line_up() == ["t1", "t2", "b1"]
    await scene.closed()


async def test_a_full_line_takes_nobody_more() -> None:
    scene = Scene.of(places=1, queue_limit=2)
    await scene.comes("t0")
    await scene.comes("a1", "ann")
    await scene.comes("b1", "bob")
    with pytest.raises(Overloaded, match="queue is full") as refused:
        await scene.send(wanted("c1", "cid"))
    assert refused.value.retry_after == 1.0
    await scene.closed()


async def test_without_a_line_nobody_waits() -> None:
    scene = Scene.of(places=1, queue_limit=0)
    assert await scene.comes("t0")
    with pytest.raises(Overloaded):
        await scene.send(wanted("t1"))
    await scene.closed()


async def test_a_full_line_keeps_nobody_back_who_can_go() -> None:
    scene = Scene.of(queue_limit=1)
    await scene.comes("t1", workspace_id="w")
    assert not await scene.comes("t2", workspace_id="w")
    assert await scene.comes("t3")
    await scene.closed()


# --- refusals ---

BUSY = [
    ({"workspace_id": "w"}, WorkspaceBusy, "Workspace w is held by task t1"),
    ({"user_limit": 1}, ConcurrencyLimit, r"as you may \(1\); the oldest is task t1"),
    ({"user_id": "bob"}, Overloaded, "runs as many tasks as it may"),
]


@pytest.mark.parametrize(("needs", "kind", "words"), BUSY)
async def test_the_refusal_says_what_was_waited_for_and_behind_whom(
    needs: dict[str, Any], kind: type[CodaraError], words: str
) -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1", workspace_id="w")
    with pytest.raises(kind, match=f"{words}.*This request waited") as refused:
        await scene.send(wanted("t2", **needs), seconds=0)
    assert refused.value.retry_after == 1.0
    assert refused.value.retry_safe
    assert not scene.line.waiting()
    await scene.closed()


@pytest.mark.parametrize(("needs", "kind", "words"), BUSY)
async def test_one_who_does_not_want_to_wait_is_refused_at_once(
    needs: dict[str, Any], kind: type[CodaraError], words: str
) -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1", workspace_id="w")
    with pytest.raises(kind, match=words) as refused:
        scene.line.enter(wanted("t2", **needs), FOREVER, refuse=True).send(None)
    assert "waited" not in refused.value.message
    await scene.closed()


def test_one_who_does_not_want_to_wait_goes_in_where_everything_is_free() -> None:
    assert without_suspending(Scene.of().line, wanted("t1"), refuse=True) == AT_ONCE


async def test_a_third_aside_is_refused_as_an_aside() -> None:
    scene = Scene.of()
    for turn_id in ("a1", "a2"):
        await scene.comes(turn_id, exempt=True)
    with pytest.raises(ConcurrencyLimit, match=r"as many asides at once as you may; .* task a1"):
        await scene.send(wanted("a3", exempt=True), refuse=True)
    await scene.closed()


async def test_a_waiter_is_refused_by_what_it_waited_for_last() -> None:
    scene = Scene.of(places=2)
    await scene.comes("t1", workspace_id="w")
    waiting = scene.send(wanted("t2", workspace_id="w", user_limit=2))
    await settled()
    await scene.comes("b1", "bob")
    assert scene.lacks() == {"t2": Lack("workspace", "t1")}
    scene.send(wanted("c1", "cid", workspace_id="w"))
    await settled()
    assert await scene.leaves("t1") == ["c1"]
    assert scene.lacks() == {"t2": Lack("workspace", "c1")}
    scene.send(wanted("d1", "dan"))
    await settled()
    assert await scene.leaves("c1") == ["d1"]
    assert scene.lacks() == {"t2": Lack("gateway", None)}
    waiting.cancel()
    await scene.closed()


def test_a_waiter_waits_until_its_time_and_no_longer() -> None:
    async def play(loop: StillLoop) -> None:
        scene = Scene.of(places=1)
        await scene.comes("t1")
        first, second = scene.send(wanted("t2"), 30), scene.send(wanted("t3"), 60)
        await settled()
        loop.now += 29.9
        await settled()
        assert not first.done()
        loop.now += 0.2
        await settled()
        assert isinstance(first.exception(), Overloaded)
        assert scene.line_up() == ["t3"]
        assert await scene.leaves("t1") == ["t3"]
        assert second.result() == Entered(pytest.approx(30.1), Lack("gateway", None))
        loop.now += 100
        await settled()
        await scene.closed()

    in_still_time(play)


def test_one_admitted_at_the_very_end_of_its_time_has_entered() -> None:
    async def play(loop: StillLoop) -> None:
        scene = Scene.of(places=1)
        await scene.comes("t1")
        waiting = scene.send(wanted("t2"), 30)
        await settled()
        loop.now += 30
        assert await scene.leaves("t1") == ["t2"]
        assert waiting.result().waited == 30
        await scene.closed()

    in_still_time(play)


# --- leaving the line ---


async def test_one_who_leaves_the_line_loses_its_place() -> None:
    scene = Scene.of(places=1)
    for turn_id in ("t1", "t2", "t3"):
        await scene.comes(turn_id)
    scene.tasks["t2"].cancel()
    await settled()
    assert scene.line_up() == ["t3"]
    assert await scene.leaves("t1") == ["t3"]
    await scene.closed()


async def test_one_cancelled_before_it_came_to_the_line_leaves_nothing() -> None:
    scene = Scene.of(places=1)
    scene.send(wanted("t1")).cancel()
    await settled()
    assert await scene.comes("t2")
    await scene.closed()


async def test_one_cancelled_after_it_was_admitted_gives_everything_to_the_next() -> None:
    scene = Scene.of(places=1)
    for turn_id in ("t1", "t2", "t3"):
        await scene.comes(turn_id, workspace_id="s")
    scene.leave("t1")
    assert scene.line.holder_of_workspace("s") == "t2"
    scene.tasks["t2"].cancel()
    await settled()
    assert scene.went == ["t1", "t3"]
    assert scene.line.holder_of_workspace("s") == "t3"
    await scene.closed()


async def test_one_that_is_being_cancelled_is_not_admitted() -> None:
    scene = Scene.of(places=1)
    for turn_id in ("t1", "t2", "t3"):
        await scene.comes(turn_id, workspace_id="s")
    scene.tasks["t2"].cancel()
    scene.leave("t1")
    assert scene.line.holder_of_workspace("s") == "t3"
    await settled()
    assert scene.went == ["t1", "t3"]
    await scene.closed()


@pytest.mark.parametrize("sooner", [-1, 0, 1])
def test_one_cancelled_when_its_time_came_leaves_nothing(sooner: int) -> None:
    async def play(loop: StillLoop) -> None:
        scene = Scene.of(places=1)
        await scene.comes("t1")
        waiting = scene.send(wanted("t2"), 30)
        await settled()
        loop.call_at(loop.now + 30 - sooner, waiting.cancel)
        loop.now += 31
        await settled()
        assert waiting.cancelled()
        await scene.closed()

    in_still_time(play)


async def test_one_whose_coroutine_is_closed_leaves_nothing() -> None:
    scene = Scene.of(places=1)
    await scene.comes("t1")
    entering = scene.line.enter(wanted("t2"), asyncio.get_running_loop().time() + FOREVER)
    entering.send(None)
    assert scene.line_up() == ["t2"]
    entering.close()
    assert not scene.line.waiting()
    await scene.closed()


# --- who waits ---


async def test_who_waits_is_listed_for_what_behind_whom_and_since_when() -> None:
    scene = Scene.of(places=3)
    await scene.comes("t1", workspace_id="w", user_limit=2)
    await scene.comes("t2", workspace_id="w", user_limit=2)
    scene.clock.move(seconds=5)
    await scene.comes("t3", "bob", workspace_id="w")
    await scene.comes("t4", user_limit=2)
    await scene.comes("t5", user_limit=2)
    await scene.comes("b1", "bob")
    await scene.comes("b2", "bob")
    later = NOW + timedelta(seconds=5)
    assert [
        (each.position, each.wanted.request_id, each.wanted.user_id, each.lack, each.since)
        for each in scene.line.waiting()
    ] == [
        (1, "req_t2", "ann", Lack("workspace", "t1"), NOW),
        (2, "req_t3", "bob", Lack("workspace", "t1"), later),
        (3, "req_t5", "ann", Lack("user_limit", "t1"), later),
        (4, "req_b2", "bob", Lack("gateway", None), later),
    ]
    await scene.closed()


async def test_who_waits_is_told_of_a_holder_that_came_later() -> None:
    scene = Scene.of()
    await scene.comes("t1", user_limit=1)
    await scene.comes("t2", user_limit=1, workspace_id="w")
    assert scene.lacks() == {"t2": Lack("user_limit", "t1")}
    await scene.comes("b1", "bob", workspace_id="w")
    assert scene.lacks() == {"t2": Lack("workspace", "b1")}
    await scene.closed()


async def test_the_one_who_entered_knows_what_it_waited_for_and_behind_whom() -> None:
    scene = Scene.of()
    await scene.comes("t1", workspace_id="w")
    await scene.comes("t2", workspace_id="w")
    await scene.leaves("t1")
    assert scene.tasks["t2"].result().lack == Lack("workspace", "t1")
    await scene.closed()


# --- waiting for an account ---


async def test_a_turn_that_leaves_tells_those_who_wait_for_an_account() -> None:
    scene = Scene.of()
    await scene.comes("t1")
    until = asyncio.get_running_loop().time() + FOREVER
    looking = asyncio.create_task(scene.line.something_returns(until))
    await settled()
    assert not looking.done()
    await scene.leaves("t1")
    assert looking.done()
    assert looking.result()
    looking = asyncio.create_task(scene.line.something_returns(until))
    await settled()
    scene.line.leave(scene.came["t1"])
    await settled()
    assert not looking.done()
    scene.line.returned()
    await settled()
    assert looking.done()
    assert looking.result()


async def test_nothing_returns_for_ever() -> None:
    assert not await Scene.of().line.something_returns(asyncio.get_running_loop().time())


# --- any history ---

LIMIT = 2
PLACES = 3


@attrs.frozen
class Step:
    """Something that happens at the line; `which` picks among those it can happen to."""

    what: str
    which: int
    user_id: str
    workspace_id: str | None
    exempt: bool
    seconds: int
    at_rest: bool


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["come", "come", "come", "refuse", "leave", "leave", "cancel", "wait"]),
        st.integers(0, 9),
        st.sampled_from(["ann", "bob", "cid"]),
        st.sampled_from([None, "w1", "w2"]),
        st.booleans(),
        st.integers(0, 5),
        st.booleans(),
    ),
    max_size=60,
)


def happens(scene: Scene, loop: StillLoop, step: Step, number: int) -> None:
    waiting = scene.line_up()
    match step.what:
        case "come" | "refuse":
            names = {} if step.exempt else {"workspace_id": step.workspace_id}
            what = wanted(f"t{number}", step.user_id, user_limit=LIMIT, exempt=step.exempt, **names)
            scene.send(what, step.seconds, refuse=step.what == "refuse")
        case "leave" if scene.inside:
            scene.leave(list(scene.inside)[step.which % len(scene.inside)])
        case "cancel" if waiting:
            scene.tasks[waiting[step.which % len(waiting)]].cancel()
        case "wait":
            loop.now += step.seconds


def lacking(inside: dict[str, Wanted], what: Wanted) -> tuple[str, set[str | None]] | None:
    """What the turn lacks, and who may be in its way, told from those inside."""
    held = inside.values()
    pool = [each for each in held if (each.user_id, each.exempt) == (what.user_id, what.exempt)]
    place = what.workspace_id
    if place and (by := {each.turn_id for each in held if each.workspace_id == place}):
        return "workspace", set(by)
    if len(pool) >= LIMIT:
        return "user_limit", {each.turn_id for each in pool}
    return ("gateway", {None}) if len(inside) >= PLACES else None


def check(scene: Scene) -> None:
    """Nothing is held twice, nobody has too much, and nobody waits who could go."""
    held = scene.inside.values()
    names = [each.workspace_id for each in held if each.workspace_id]
    assert len(names) == len(set(names))
    assert len(held) <= PLACES
    assert max(Counter((each.user_id, each.exempt) for each in held).values(), default=0) <= LIMIT
    lacks = scene.lacks()
    assert list(lacks) == [turn for turn, task in scene.tasks.items() if not task.done()]
    for turn_id, lack in lacks.items():
        expected = lacking(scene.inside, scene.came[turn_id])
        assert expected is not None
        assert lack.what == expected[0]
        assert lack.behind in expected[1]
    assert len(lacks) <= 8
    assert max(Counter(scene.came[turn].user_id for turn in lacks).values(), default=0) <= 2


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_in_any_history_nothing_is_held_twice_and_nobody_waits_for_nothing(
    steps: list[Step],
) -> None:
    async def play(loop: StillLoop) -> None:
        scene = Scene.of(places=PLACES, queue_limit=8)
        for number, step in enumerate(steps):
            happens(scene, loop, step, number)
            if step.at_rest:
                await settled()
                check(scene)
        await settled()
        check(scene)
        for task in scene.tasks.values():
            if task.done() and not task.cancelled():
                assert isinstance(task.exception(), CodaraError | None)
        await scene.closed()

    in_still_time(play)


async def overtaken(scene: Scene, comers: list[Wanted], leavers: list[int]) -> Counter[str]:
    """How often one user was served at most while another one's turn waited all the time.

    The comers come one by one; between them somebody leaves. Only those count who want the same.
    """
    most: Counter[str] = Counter()
    served: dict[str, Counter[str]] = {}
    seen = 0

    def look() -> None:
        nonlocal seen
        for turn_id in scene.went[seen:]:
            user_id, place = scene.came[turn_id].user_id, scene.came[turn_id].workspace_id
            for waiting, counts in served.items():
                if scene.came[waiting].workspace_id == place:
                    counts[user_id] += 1
                    if scene.came[waiting].user_id == user_id:
                        counts.clear()
                    most[place or ""] = max(most[place or ""], *counts.values(), 0)
        seen = len(scene.went)
        for waiting in scene.line_up():
            served.setdefault(waiting, Counter())
        for gone in served.keys() - set(scene.line_up()):
            del served[gone]

    for which, comer in zip(leavers, comers, strict=False):
        scene.send(comer)
        await settled()
        look()
        if scene.inside and which:
            scene.leave(list(scene.inside)[which % len(scene.inside)])
            await settled()
            look()
    while scene.inside:
        scene.leave(next(iter(scene.inside)))
        await settled()
        look()
    return most


USERS = st.sampled_from(["ann", "bob", "cid", "dan"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(USERS, st.integers(0, 5)), max_size=50), st.integers(1, 3))
def test_no_user_is_served_twice_while_another_waits(
    history: list[tuple[str, int]], places: int
) -> None:
    async def play(_: StillLoop) -> None:
        scene = Scene.of(places=places, queue_limit=1000)
        comers = [wanted(f"t{number}", user) for number, (user, _) in enumerate(history)]
        most = await overtaken(scene, comers, [which for _, which in history])
        assert max(most.values(), default=0) <= 1
        for user in {user for user, _ in history}:
            theirs = [turn for turn in scene.went if scene.came[turn].user_id == user]
            assert theirs == [each.turn_id for each in comers if each.user_id == user]

    in_still_time(play)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(USERS, st.sampled_from([None, "w1", "w1", "w2"]), st.integers(0, 5)), max_size=50
    ),
    st.integers(1, 4),
)
def test_no_user_gets_a_workspace_twice_while_another_waits_for_it(
    history: list[tuple[str, str | None, int]], places: int
) -> None:
    async def play(_: StillLoop) -> None:
        scene = Scene.of(places=places, queue_limit=1000)
        comers = [
            wanted(f"t{number}", user, workspace_id=place)
            for number, (user, place, _) in enumerate(history)
        ]
        most = await overtaken(scene, comers, [which for _, _, which in history])
        assert max(most["w1"], most["w2"]) <= 1
        for user, place in {(user, place) for user, place, _ in history if place}:
            mine = [
                each.turn_id
                for each in comers
                if (each.user_id, each.workspace_id) == (user, place)
            ]
            assert [turn for turn in scene.went if turn in mine] == mine

    in_still_time(play)


# --- cost ---


def test_a_step_looks_at_each_waiter_a_few_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    look = HeldPlaces.lacking

    def counted(places: HeldPlaces, what: Wanted) -> Lack | None:
        nonlocal looks
        looks += 1
        return look(places, what)

    monkeypatch.setattr(HeldPlaces, "lacking", counted)

    async def play(_: StillLoop) -> None:
        scene = Scene.of(places=10, queue_limit=100)
        for number in range(1110):
            scene.send(wanted(f"t{number}", f"u{number % 4}"))
            await asyncio.sleep(0)
            if number >= 110:
                scene.leave(scene.went[number - 110])
                await asyncio.sleep(0)
        assert len(scene.went) == 1010
        await scene.closed()

    in_still_time(play)
    assert looks < 1000 * 100 * 2.5


def test_users_who_are_gone_are_forgotten() -> None:
    line = Scene.of().line
    for number in range(1000):
        turn = wanted(f"t{number}", f"u{number}")
        line.enter_now(turn)
        line.leave(turn)
    assert line._served == {None: {}}
