"""What an agent did in a turn is kept with the turn's end, within bounds."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import (
    Frame,
    RetryNotice,
    TextDelta,
    ToolFinished,
    ToolStarted,
    Warned,
)
from codara.application.turns.activity import LONGEST_TEXT, MOST_DEEDS, ActivityRecorder
from codara.errors import CodaraError, NotFound
from codara.events.session import TurnCompleted, TurnFailed
from tests import event_examples
from tests.turn_setup import House, close_house, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


def noted(*frames: Frame) -> Any:
    """The deeds, after each frame was heard a second later than the one before."""
    activity = ActivityRecorder()
    for second, frame in enumerate(frames):
        activity.note(frame, event_examples.NOW + timedelta(seconds=second))
    return orjson.loads(activity.as_json() or b'{"deeds": [], "left_out": 0}')


def at(second: int) -> str:
    return (event_examples.NOW + timedelta(seconds=second)).isoformat()


def test_a_tool_is_kept_from_its_start_to_its_finish() -> None:
    told = noted(ToolStarted("t1", "shell", "ls"), TextDelta("hm"), ToolFinished("t1", True))
    assert told["deeds"] == [
        {
            "name": "tool",
            "start": at(0),
            "end": at(2),
            "attributes": {"tool_id": "t1", "kind": "shell", "title": "ls", "ok": True},
        }
    ]


def test_tools_that_run_at_once_are_told_apart() -> None:
    both = ToolStarted("a", "shell", "ls"), ToolStarted("b", "shell", "cat")
    first, second = noted(*both, ToolFinished("b", False), ToolFinished("a", True))["deeds"]
    assert (first["end"], first["attributes"]["ok"]) == (at(3), True)
    assert (second["end"], second["attributes"]["ok"]) == (at(2), False)


def test_a_tool_that_never_finishes_has_no_end() -> None:
    (tool,) = noted(ToolStarted("t1", "shell", "sleep"))["deeds"]
    assert (tool["end"], tool["attributes"]["ok"]) == (None, None)


def test_a_finish_without_a_start_is_passed_over() -> None:
    assert noted(ToolFinished("t1", True))["deeds"] == []


def test_an_excuse_and_a_complaint_are_moments() -> None:
    retry, warning = noted(RetryNotice("503"), Warned("no rollout"))["deeds"]
    assert retry == {
        "name": "retry",
        "start": at(0),
        "end": at(0),
        "attributes": {"reason": "503"},
    }
    assert (warning["name"], warning["attributes"]) == ("warning", {"message": "no rollout"})


def test_beyond_the_bound_deeds_are_only_counted() -> None:
    excuses = [RetryNotice("503")] * (MOST_DEEDS + 5)
    told = noted(*excuses, ToolStarted("t1", "shell", "ls"), ToolFinished("t1", True))
    assert (len(told["deeds"]), told["left_out"]) == (MOST_DEEDS, 6)


def test_a_tool_within_the_bound_may_finish_beyond_it() -> None:
    excuses = [RetryNotice("503")] * MOST_DEEDS
    told = noted(ToolStarted("t1", "shell", "ls"), *excuses, ToolFinished("t1", True))
    assert told["deeds"][0]["attributes"]["ok"] is True


def test_long_texts_are_cut_and_broken_ones_mended() -> None:
    long, broken = noted(RetryNotice("x" * 10_000), Warned("half \ud83d"))["deeds"]
    assert long["attributes"]["reason"] == "x" * LONGEST_TEXT
    assert broken["attributes"]["message"] == "half ?"


async def works(turn: AgentTurn, sink: FrameSink) -> Outcome:
    sink.frame(RetryNotice("overloaded"))
    sink.frame(ToolStarted("t1", "shell", "make Ada happy"))
    sink.frame(ToolFinished("t1", True))
    return Outcome(status="completed", backend_id="backend-1")


async def test_the_end_of_a_turn_holds_what_the_agent_did(house: House) -> None:
    house.agents.script = works
    await house.ask()
    end = (await house.the(TurnCompleted)).end
    told = orjson.loads(await house.log.open_payload(end.activity))
    assert [deed["name"] for deed in told["deeds"]] == ["retry", "tool"]
    assert told["deeds"][1]["start"] == event_examples.NOW.isoformat()


async def test_a_turn_that_only_spoke_has_nothing_to_keep(house: House) -> None:
    await house.ask()
    assert (await house.the(TurnCompleted)).end.activity is None


async def test_a_turn_that_failed_keeps_what_it_did_before(house: House) -> None:
    async def breaks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        await works(turn, sink)
        return Outcome(status="failed", cause="crashed")

    house.agents.script = breaks
    with pytest.raises(CodaraError):
        await house.ask()
    assert (await house.the(TurnFailed)).end.activity is not None


async def test_what_an_agent_did_is_sealed_under_its_users_key(house: House) -> None:
    house.agents.script = works
    await house.ask()
    end = (await house.the(TurnCompleted)).end
    house.context.keys.forget(event_examples.USER)  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        await house.log.open_payload(end.activity)
