"""Codex calls a turn a success whatever became of its answer: ours is one if that is whole."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from codara.adapters.agents.codex.outcome import outcome_of
from codara.adapters.agents.codex.parse import appserver_line, exec_line
from codara.adapters.agents.codex.reading import CodexReading
from codara.adapters.agents.codex.wire import CodexAnswer, CodexWire
from codara.adapters.agents.session.ending import Ending
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame, ReasoningDelta, TextDelta

Line = dict[str, Any]

DONE = {"method": "turn/completed", "params": {"turn": {"id": "now", "status": "completed"}}}
BROKEN = CodexAnswer(open=1, over=True)
REFUSED = CodexAnswer(refused=True, over=True)


def item(step: str, kind: str, item_id: str = "m", **fields: Any) -> Line:
    params = {"threadId": "t", "item": {"id": item_id, "type": kind, **fields}}
    return {"method": f"item/{step}", "params": params}


def begun(item_id: str = "m", kind: str = "agentMessage") -> Line:
    return item("started", kind, item_id, text="")


def delta(text: str, item_id: str = "m") -> Line:
    params = {"threadId": "t", "itemId": item_id, "delta": text}
    return {"method": "item/agentMessage/delta", "params": params}


def whole(text: str, item_id: str = "m") -> Line:
    return item("completed", "agentMessage", item_id, text=text)


def thought(text: str, at: int = 0, *, kind: str = "summary") -> Line:
    method = "summaryTextDelta" if kind == "summary" else "textDelta"
    params = {"threadId": "t", "itemId": "r", f"{kind}Index": at, "delta": text}
    return {"method": f"item/reasoning/{method}", "params": params}


def thoughts(*summary: str, content: tuple[str, ...] = ()) -> Line:
    return item("completed", "reasoning", "r", summary=[*summary], content=[*content])


def turn(*lines: Line, overheard: CodexAnswer | None = None) -> tuple[Outcome, list[Frame]]:
    """A turn of the app-server that codex calls completed, and its frames."""
    return _outcome(CodexReading(thread_id="t", turn_id="now"), (*lines, DONE), overheard)


def run(*items: Line, overheard: CodexAnswer | None = None) -> tuple[Outcome, list[Frame]]:
    """The same of `exec`, of items that are whole."""
    lines = ({"type": "item.completed", "item": each} for each in items)
    return _outcome(CodexReading(), (*lines, {"type": "turn.completed"}), overheard)


def _outcome(
    reading: CodexReading, lines: tuple[Line, ...], overheard: CodexAnswer | None
) -> tuple[Outcome, list[Frame]]:
    frames: list[Frame] = []
    for line in lines:
        fold = exec_line if "type" in line else appserver_line
        reading, found = fold(reading, line)
        frames.extend(found)
    return outcome_of(reading, Ending(), overheard), frames


def text(frames: list[Frame]) -> str:
    return "".join(each.text for each in frames if isinstance(each, TextDelta))


def thinking(frames: list[Frame]) -> str:
    return "".join(each.text for each in frames if isinstance(each, ReasoningDelta))


@pytest.mark.parametrize("said", ["", "hello ", "hello world"])
def test_what_was_not_streamed_of_a_message_comes_with_its_end(said: str) -> None:
    outcome, frames = turn(begun(), delta(said), whole("hello world"))
    assert (outcome.status, text(frames)) == ("completed", "hello world")


def test_the_rest_of_a_message_is_not_set_off_from_it() -> None:
    first = (begun("one"), delta("fir", "one"), whole("first", "one"))
    second = (begun("two"), delta("sec", "two"), delta("o", "two"), whole("second", "two"))
    outcome, frames = turn(*first, *second)
    assert (outcome.status, text(frames)) == ("completed", "first\n\nsecond")


def test_an_id_that_is_used_again_is_another_message() -> None:
    outcome, frames = turn(begun(), delta("a"), whole("a"), begun(), delta("b"), whole("bc"))
    assert (outcome.status, text(frames)) == ("completed", "abc")


def test_a_message_that_ends_twice_is_said_once() -> None:
    assert text(turn(whole("hello"), whole("hello"))[1]) == "hello"


@pytest.mark.parametrize("ended", ["hello", "hello \n", "hello\n"])
def test_white_space_at_its_end_is_no_part_of_a_message(ended: str) -> None:
    outcome, frames = turn(begun(), delta("hel"), delta("lo \n"), delta("\n"), whole(ended))
    assert (outcome.status, text(frames)) == ("completed", "hello \n\n")


@pytest.mark.parametrize("ended", ["other", "hell", ""])
def test_a_message_that_ends_as_another_one_is_no_success(ended: str) -> None:
    outcome, frames = turn(begun(), delta("hello "), whole(ended))
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert text(frames) == "hello "


def test_what_was_not_streamed_of_a_thought_comes_with_its_end() -> None:
    _, frames = turn(thought("a"), thoughts("abc", "d"), whole("ok"))
    assert thinking(frames) == "abc\nd"
    _, frames = turn(thought("a"), thought("b", 1), thoughts("a", "b"), whole("ok"))
    assert thinking(frames) == "ab"
    _, frames = turn(thoughts("a", "b", content=("c",)), whole("ok"))
    assert thinking(frames) == "a\nb\nc"


def test_a_thought_that_is_hidden_in_the_end_stays_as_it_was_said() -> None:
    outcome, frames = turn(thought("raw", kind="content"), thoughts(), whole("ok"))
    assert (outcome.status, thinking(frames)) == ("completed", "raw")


def test_a_thought_that_is_worded_anew_in_the_end_stays_as_it_was_said() -> None:
    outcome, frames = turn(thought("a"), thoughts("b", "c"), whole("ok"))
    assert (outcome.status, thinking(frames)) == ("completed", "a\nc")


def test_a_thought_that_is_thought_anew_is_another_one() -> None:
    again = (begun("r", "reasoning"), thought("b"), thoughts("b"))
    outcome, frames = turn(
        begun("r", "reasoning"), thought("a"), thoughts("a"), *again, whole("ok")
    )
    assert (outcome.status, thinking(frames)) == ("completed", "ab")


@pytest.mark.parametrize("lines", [(begun(),), (delta("hello "),), (begun(), delta("hello "))])
def test_a_message_without_its_end_is_no_success(lines: tuple[Line, ...]) -> None:
    outcome, _ = turn(whole("I begin.", "first"), *lines)
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert outcome.message


def test_a_message_of_another_thread_needs_no_end() -> None:
    other = begun("sub")
    other["params"]["threadId"] = "sub-agent"
    assert turn(other, whole("done"))[0].status == "completed"


def test_a_turn_of_which_nothing_came_is_no_success() -> None:
    asked = item("completed", "userMessage", "u", content=[])
    for outcome, _ in (turn(asked), turn(asked, thought("a"), thoughts("a")), run()):
        assert (outcome.status, outcome.cause) == ("failed", "protocol")
        assert outcome.message


def test_an_answer_may_be_a_tool_or_no_words() -> None:
    tool = item("completed", "commandExecution", "c", status="completed")
    for outcome, _ in (turn(tool), turn(begun(), whole("")), run({"type": "todo_list"})):
        assert (outcome.status, outcome.cause) == ("completed", None)


def test_what_codex_does_not_tell_of_an_answer_is_overheard() -> None:
    tool = {"id": "c", "type": "command_execution", "status": "completed"}
    outcome, _ = run(tool, overheard=BROKEN)
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    outcome, _ = run(tool, overheard=REFUSED)
    assert (outcome.status, outcome.cause) == ("failed", "content_filter")


def test_a_refusal_in_the_middle_of_an_answer_is_its_end() -> None:
    outcome, frames = turn(begun(), delta("half"), overheard=REFUSED)
    assert (outcome.status, outcome.finish_reason) == ("completed", "content_filter")
    assert text(frames) == "half"
    assert turn(begun(), overheard=REFUSED)[0].cause == "content_filter"


def heard(*events: Line, path: str = "/v1/responses", status: int = 200) -> CodexAnswer | None:
    """The answer that is overheard in these events, which come in odd pieces."""
    wire = CodexWire()
    hear = wire.listen(path, status)
    for piece in _pieces(*events) if hear is not None else ():
        hear(piece)
    return wire.last


def _pieces(*events: Line) -> Iterator[bytes]:
    said = b"".join(b"event: x\ndata: " + json.dumps(each).encode() + b"\n\n" for each in events)
    return (said[at : at + 7] for at in range(0, len(said), 7))


def output(step: str, kind: str = "message", *content: Line) -> Line:
    return {"type": f"response.output_item.{step}", "item": {"type": kind, "content": [*content]}}


OVER = {"type": "response.completed", "response": {}}
REFUSAL = {"type": "refusal", "refusal": "I cannot"}


@pytest.mark.parametrize(
    ("events", "broken", "refused"),
    [
        ([output("added"), output("done"), OVER], False, False),
        ([output("added"), OVER], True, False),
        ([output("added")], False, False),
        ([output("added"), output("done"), output("added"), OVER], True, False),
        ([output("added", "function_call"), OVER], False, False),
        ([output("added"), output("done", "message", REFUSAL), OVER], False, True),
        ([output("added"), {"type": "response.refusal.delta", "delta": "I"}, OVER], True, True),
        ([{"type": "response.output_item.added", "item": "odd"}, OVER], False, False),
    ],
)
def test_an_answer_is_overheard(events: list[Line], broken: bool, refused: bool) -> None:
    answer = heard(*events)
    assert answer is not None
    assert (answer.is_broken, answer.refused) == (broken, refused)


def test_nothing_but_an_answer_of_the_model_is_overheard() -> None:
    assert heard(OVER, path="/v1/models") is None
    assert heard(OVER, status=500) is None


def test_each_answer_is_heard_for_itself() -> None:
    wire = CodexWire()
    for events in ([output("added"), OVER], [output("added"), output("done"), OVER]):
        hear = wire.listen("/responses", 200)
        assert hear is not None
        hear(b"".join(_pieces(*events)))
    assert wire.last is not None and not wire.last.is_broken
