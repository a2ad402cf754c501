"""The scripted model: its plan, and how it is said."""

import json
from collections.abc import Mapping

import pytest

from codara.demo.responses import ResponsesRequest, command, read, tool_call
from codara.demo.script import (
    GREETING,
    Call,
    Refuse,
    ScriptedAnswer,
    ScriptedConversation,
    Silence,
    Step,
    next_move,
    steps_of,
)


def asked(*prompts: str, done: int = 0) -> ScriptedConversation:
    return ScriptedConversation("thread", "model", ("be brief",), prompts, done)


def said(conversation: ScriptedConversation, failures: int = 0) -> str:
    move = next_move(conversation, failures)
    assert isinstance(move, ScriptedAnswer)
    return "".join(move.pieces)


def test_a_plain_prompt_is_greeted_in_several_pieces() -> None:
    move = next_move(asked("hello"))
    assert isinstance(move, ScriptedAnswer)
    assert "".join(move.pieces) == GREETING
    assert len(move.pieces) > 3


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Create notes/todo.md with three ideas", "write"),
        ("Please add a line to README.md.", "append"),
        ("What does README.md say?", None),
    ],
)
def test_a_plain_prompt_that_names_a_file_changes_it(prompt: str, kind: str | None) -> None:
    assert [step.kind for step in steps_of(prompt)] == ([kind] if kind else [])


def test_tools_are_called_one_after_the_other_and_then_it_answers() -> None:
    prompt = "[[write:a=1]] [[sleep:2]] [[shell:ls]] [[text:ready]]"
    first, second = next_move(asked(prompt)), next_move(asked(prompt, done=1))
    assert isinstance(first, Call) and first.step == Step("write", "a", "1")
    assert isinstance(second, Call) and (second.step.text, second.pause) == ("ls", 2.0)
    assert said(asked(prompt, done=2)) == "ready"


def test_a_failure_stands_where_the_prompt_puts_it() -> None:
    prompt = "[[write:a]] [[fail:500]]"
    assert isinstance(next_move(asked(prompt)), Call)
    assert next_move(asked(prompt, done=1)) == Refuse("500", None, None)


def test_a_failure_may_be_counted() -> None:
    prompt = "[[fail:500*1]] [[text:recovered]]"
    assert isinstance(next_move(asked(prompt)), Refuse)
    assert said(asked(prompt), failures=1) == "recovered"


def test_it_can_break_off_and_fall_silent() -> None:
    drop, middle = next_move(asked("[[fail:drop]]")), next_move(asked("[[hang:mid]]"))
    assert isinstance(drop, ScriptedAnswer) and drop.ending == "drop"
    assert isinstance(middle, ScriptedAnswer) and middle.ending == "hang"
    assert isinstance(next_move(asked("[[hang:none]]")), Silence)


def test_it_can_break_off_in_the_middle_of_a_thought() -> None:
    prompt = "[[think:hm]] [[fail:thinking*1]] [[think:oh]] [[text:hi]]"
    first, second = next_move(asked(prompt)), next_move(asked(prompt), 1)
    assert isinstance(first, ScriptedAnswer) and isinstance(second, ScriptedAnswer)
    assert (first.thought, first.pieces, first.breaks_off) == ("hm", (), True)
    assert (second.thought, second.pieces, second.breaks_off) == ("oh", ("hi",), False)


def test_it_tells_what_it_has_heard() -> None:
    assert said(asked("one", "[[history]]")) == "user messages: 2\n1. one\n2. [[history]]"
    assert said(asked("[[instructions]]")) == "be brief"


def test_slow_answers_have_as_many_deltas_as_asked() -> None:
    move = next_move(asked("[[slow:4]] [[text:abcdefgh]]"))
    assert isinstance(move, ScriptedAnswer)
    assert move.pieces == ("ab", "cd", "ef", "gh")
    assert move.between > 0


def test_what_the_cli_adds_for_itself_is_no_prompt() -> None:
    body = {
        "model": "m",
        "tools": [{"type": "function", "name": "exec_command"}],
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
            {"role": "user", "content": "<environment_context>here</environment_context>"},
            {"role": "user", "content": [{"type": "input_text", "text": "one\n"}]},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
    }
    request = read(body, "thread")
    assert request.conversation == ScriptedConversation("thread", "m", ("be brief",), ("one",), 1)
    assert not request.by_script


@pytest.mark.parametrize(
    ("tools", "told", "namespace", "waiting"),
    [
        ([{"name": "exec_command"}], {"agent_id": "a1"}, "multi_agent_v1", {"targets": ["a1"]}),
        ([], {"task_name": "/root/part"}, "collaboration", {}),
    ],
)
def test_a_sub_agent_is_started_and_then_waited_for(
    tools: list[dict[str, str]], told: dict[str, str], namespace: str, waiting: dict[str, object]
) -> None:
    prompt = {"role": "user", "content": "[[delegate:Look around]] [[text:ok]]"}
    result = {"type": "function_call_output", "call_id": "c"}
    items = [prompt, {**result, "output": json.dumps(told, separators=(",", ":"))}]
    started = called(read({"tools": tools, "input": items[:1]}, "thread"))
    assert (started["namespace"], started["name"]) == (namespace, "spawn_agent")
    assert json.loads(started["arguments"])["message"] == "Look around"
    waited = called(read({"tools": tools, "input": items}, "thread"))
    assert (waited["namespace"], waited["name"]) == (namespace, "wait_agent")
    assert json.loads(waited["arguments"]) == waiting
    items.append({**result, "output": "done"})
    answer = next_move(read({"tools": tools, "input": items}, "thread").conversation)
    assert isinstance(answer, ScriptedAnswer) and "".join(answer.pieces) == "ok"


def called(request: ResponsesRequest) -> Mapping[str, str]:
    move = next_move(request.conversation)
    assert isinstance(move, Call)
    item: Mapping[str, str] = tool_call(move, request, "call_1")["item"]
    return item


def test_commands_quote_what_they_are_given() -> None:
    assert command(Step("delete", "a b")) == "rm -f 'a b'"
    assert command(Step("edit", "f", "a/b=>c&d")) == r"sed -i -e 's/a\/b/c\&d/' f"
