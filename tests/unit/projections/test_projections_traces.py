"""Given a turn's events, then the spans of its trace."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given as where
from hypothesis import strategies as st
from read_model_setup import PLACE, SESSION, World, completed, requested, started

from codara.events.base import Append, Cause
from codara.projections import spans
from codara.projections.traces import Traces
from tests import event_examples

TRACE = "trc_1"
TIMINGS = {"queue": 500.0, "start": 250.0, "agent": 4_000.0, "first_delta": 90.0, "finish": 500.0}


def at(seconds: float) -> str:
    return (event_examples.NOW + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def deed(name: str, start: float, end: float | None, **attributes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "start": at(start),
        "end": None if end is None else at(end),
        "attributes": attributes,
    }


async def a_turn(world: World, *deeds: dict[str, Any], left_out: int = 0) -> None:
    """A turn of five seconds, one of them before it started, in which the agent did that."""
    await world.happen(PLACE, requested())
    world.clock.move(seconds=1)
    await world.happen(started())
    world.clock.move(seconds=4)
    data = orjson.dumps({"deeds": deeds, "left_out": left_out})
    kept = await world.log.seal(event_examples.USER, data)
    end = attrs.evolve(event_examples.END, timings=TIMINGS, activity=kept.ref)
    event = event_examples.turn_completed(end=end, answer_payload=None)
    await world.log.append([Append(SESSION, 3, [event])], event_examples.CAUSE, [kept])
    await world.views.wait_for(world.log.head(), 10)


async def spans_of(world: World) -> Sequence[spans.SpanRow]:
    trace = await world.views.traces.get(TRACE)
    assert trace is not None
    return trace.spans


def place(span: spans.SpanRow) -> tuple[str, str, str]:
    return span.name, span.start, span.end


async def test_a_turn_is_a_root_that_says_what_it_was(world: World) -> None:
    await a_turn(world)
    root = (await spans_of(world))[0]
    assert (root.parent_span_id, *place(root)) == (None, "turn", at(0), at(5))
    assert root.attributes == {
        "task_id": event_examples.TURN,
        "session_id": event_examples.SESSION,
        "workspace_id": event_examples.WORKSPACE,
        "user_id": event_examples.USER,
        "provider": "codex",
        "model": "gpt-5-codex",
        "status": "completed",
        "cause": None,
        "accounts": [event_examples.ACCOUNT],
        "deeds_left_out": 0,
        "erased": False,
    }


async def test_the_phases_of_a_turn_are_its_children(world: World) -> None:
    await a_turn(world)
    root, *children = await spans_of(world)
    assert [place(child) for child in children] == [
        ("queue", at(0), at(0.5)),
        ("start", at(0.5), at(1)),
        ("agent", at(1), at(5)),
        ("finish", at(5), at(5)),
    ]
    assert {child.parent_span_id for child in children} == {root.span_id}
    assert children[2].attributes == {"first_delta": 90.0}


async def test_what_the_agent_did_stands_between_the_phases(world: World) -> None:
    await a_turn(
        world,
        deed("retry", 2, 2, reason="503"),
        deed("tool", 3, 4, tool_id="t1", kind="shell", title="ls Ada", ok=True),
    )
    _, *children = await spans_of(world)
    assert [place(child) for child in children[3:5]] == [
        ("retry", at(2), at(2)),
        ("tool", at(3), at(4)),
    ]
    assert children[4].attributes == {
        "tool_id": "t1",
        "kind": "shell",
        "title": "ls Ada",
        "ok": True,
    }


async def test_a_tool_that_never_finished_ends_with_the_turn(world: World) -> None:
    await a_turn(world, deed("tool", 3, None, title="sleep", ok=None))
    tool = next(span for span in await spans_of(world) if span.name == "tool")
    assert (tool.end, tool.attributes["ok"]) == (at(5), None)


async def test_what_was_left_out_is_counted(world: World) -> None:
    await a_turn(world, left_out=7)
    assert (await spans_of(world))[0].attributes["deeds_left_out"] == 7


async def test_a_trace_reads_the_same_at_every_reading_and_after_a_rebuild(world: World) -> None:
    await a_turn(world, deed("retry", 2, 2, reason="503"))
    first = await spans_of(world)
    assert await spans_of(world) == first
    await world.views.rebuild("tasks")
    assert await spans_of(world) == first
    assert all(len(bytes.fromhex(span.span_id)) == 8 for span in first)


async def test_a_turn_that_took_two_accounts_names_both(world: World) -> None:
    chosen = attrs.evolve(event_examples.CHOSEN, account_id="acc_2")
    changed = event_examples.account_changed(before=event_examples.ACCOUNT, account_chosen=chosen)
    await world.happen(PLACE, requested(), started(), {SESSION: [changed]}, completed())
    assert (await spans_of(world))[0].attributes["accounts"] == [event_examples.ACCOUNT, "acc_2"]


async def test_a_turn_that_runs_is_a_root_without_an_end(world: World) -> None:
    await world.happen(PLACE, requested(), started())
    (root,) = await spans_of(world)
    assert (root.end, root.attributes["status"]) == (None, "running")


async def test_a_turn_that_never_started_has_no_agent(world: World) -> None:
    end = attrs.evolve(event_examples.END, timings={"queue": 0.0, "total": 0.0})
    await world.happen(PLACE, requested(), {SESSION: [event_examples.turn_cancelled(end=end)]})
    root, *children = await spans_of(world)
    assert root.attributes["accounts"] == []
    assert [child.name for child in children] == ["queue"]


async def test_turns_of_one_trace_are_roots_beside_each_other(world: World) -> None:
    await world.happen(PLACE, requested(), started(), completed(), requested("trn_2"))
    roots = [span for span in await spans_of(world) if span.parent_span_id is None]
    assert [root.attributes["task_id"] for root in roots] == [event_examples.TURN, "trn_2"]


async def test_of_many_turns_the_newest_are_shown_and_the_others_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Traces, "MOST_TURNS", 2)
    await world.happen(PLACE, requested(), requested("trn_2"), requested("trn_3"))
    trace = await world.views.traces.get(TRACE)
    assert trace is not None
    assert [span.attributes["task_id"] for span in trace.spans] == ["trn_2", "trn_3"]
    assert trace.turns_left_out == 1


async def test_a_turn_ended_by_another_request_stays_in_its_trace(world: World) -> None:
    await world.happen(PLACE, requested(), started())
    lost = event_examples.turn_failed(cause="gateway_lost")
    cause = Cause(actor="system:recovery", correlation_id="gtw_1")
    await world.log.append([Append(SESSION, 3, [lost])], cause)
    await world.views.wait_for(world.log.head(), 10)
    assert (await spans_of(world))[0].attributes["cause"] == "gateway_lost"
    assert await world.views.traces.get("gtw_1") is None


async def test_of_a_forgotten_user_the_phases_remain(world: World) -> None:
    await a_turn(world, deed("tool", 3, 4, title="ls Ada", ok=True))
    world.keys.forget(event_examples.USER)
    root, *children = await spans_of(world)
    assert root.attributes["erased"] is True
    assert [child.name for child in children] == ["queue", "start", "agent", "finish"]


async def test_an_unknown_trace_is_none(world: World) -> None:
    assert await world.views.traces.get("f" * 32) is None


async def test_a_task_names_its_trace(world: World) -> None:
    await world.happen(PLACE, requested())
    (task,) = (await world.views.tasks.list()).items
    assert task.trace_id == TRACE


MOMENTS = st.floats(-100_000, 100_000).map(at)
DEEDS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["tool", "retry", "warning"]),
        "start": MOMENTS,
        "end": st.none() | MOMENTS,
        "attributes": st.just({}),
    }
)
TURNS = st.builds(
    spans.TracedTurn,
    task_id=st.just(event_examples.TURN),
    session_id=st.just(event_examples.SESSION),
    workspace_id=st.just(event_examples.WORKSPACE),
    user_id=st.just(event_examples.USER),
    provider=st.just("codex"),
    model=st.just("gpt-5-codex"),
    status=st.sampled_from(["completed", "failed", "cancelled"]),
    cause=st.none() | st.just("crashed"),
    accounts=st.sampled_from([(), ("acc_1", "acc_2")]),
    created_at=MOMENTS,
    started_at=st.none() | MOMENTS,
    ended_at=MOMENTS,
    timings=st.dictionaries(st.sampled_from([*TIMINGS, "total"]), st.floats(0, 10**9), max_size=6),
)


@where(turn=TURNS, deeds=st.lists(DEEDS, max_size=20))
def test_however_the_clock_was_set_children_lie_within_their_root_and_are_told_apart(
    turn: spans.TracedTurn, deeds: list[dict[str, Any]]
) -> None:
    root, *children = spans.of_turn(TRACE, turn, spans.Activity(deeds=deeds))
    assert len({span.span_id for span in (root, *children)}) == len(children) + 1
    assert [child.start for child in children] == sorted(child.start for child in children)
    for child in children:
        assert child.parent_span_id == root.span_id
        assert root.start <= child.start <= child.end <= root.end
