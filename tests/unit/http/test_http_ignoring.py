"""Tools and other fields that mean nothing to an agent: named as ignored, or refused."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from http_with_turns import Housed, housed

from codara.config.settings import ServerSettings
from codara.http.openai.ignoring import MOST_CHARACTERS, MOST_NAMED, ignored_of

TOOLS = [{"type": "function", "function": {"name": "warmth", "parameters": {}}}]
FUNCTION = {"type": "function", "function": {"name": "warmth"}}
ONE_OF = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": TOOLS}}
SOME_OF = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("choice", [None, "none", "auto", SOME_OF])
async def test_tools_are_ignored_and_named(house: Housed, choice: Any) -> None:
    answer = await house.chat("hello", tools=TOOLS, tool_choice=choice, temperature=0.5)
    named = ["tools", *([] if choice is None else ["tool_choice"]), "temperature"]
    assert (answer.status, answer.ours["ignored"]) == (200, named)
    assert answer.body["choices"][0]["finish_reason"] == "stop"


async def test_a_stream_names_them_as_well(house: Housed) -> None:
    blocks = (await house.stream("hello", tools=TOOLS)).body
    ours = next(block for block in blocks if '"codara"' in block)
    assert orjson.loads(ours.removeprefix("data: "))["codara"]["ignored"] == ["tools"]


@pytest.mark.parametrize("choice", ["required", FUNCTION, ONE_OF, {"name": "warmth"}])
async def test_a_call_that_an_agent_cannot_promise_is_refused(house: Housed, choice: Any) -> None:
    refused = await house.chat("hello", tools=TOOLS, tool_choice=choice)
    assert (refused.status, refused.code) == (400, "unsupported_parameter")
    assert refused.body["error"]["param"] == "tool_choice"
    assert house.agent.told == []


async def test_the_old_way_to_name_a_function_is_refused_as_well(house: Housed) -> None:
    refused = await house.chat("hello", function_call={"name": "warmth"})
    assert (refused.code, refused.body["error"]["param"]) == (
        "unsupported_parameter",
        "function_call",
    )
    assert (await house.chat("hello", function_call="auto")).status == 200


@pytest.mark.parametrize("choice", ["always", 1, True, ["auto"]])
async def test_a_choice_that_nobody_knows_is_refused(house: Housed, choice: Any) -> None:
    refused = await house.chat("hello", tool_choice=choice)
    assert (refused.code, refused.body["error"]["param"]) == ("invalid_request", "tool_choice")


async def test_what_is_read_is_not_named(house: Housed) -> None:
    answer = await house.chat(
        "hello",
        n=1,
        stream=False,
        stream_options={"include_usage": True},
        response_format={"type": "text"},
        metadata={"chat_id": "c"},
        uag_options={"queue": "wait"},
        manual_mode=False,
        session_persistence=True,
        client_session_id="mine",
        workspace_id="w",
        codara_reasoning=False,
        codara_events=False,
        temperature=None,
    )
    assert answer.status == 200
    assert answer.ours["ignored"] == []


def test_a_field_that_may_name_a_chat_is_read() -> None:
    server = ServerSettings(conversation_fields=("thread", "user", "metadata.room"))
    body = {"thread": "t", "user": "u", "room": "r"}
    assert ignored_of(body, server) == ("user", "room")


def test_what_has_no_effect_within_a_field_is_named_with_it() -> None:
    body = {
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "uag_options": {"queue": "wait", "qeue": "refuse"},
        "metadata": {"anything": "goes"},
        "stop": ["c"],
    }
    named = ("stop", "stream_options.include_obfuscation", "uag_options.qeue")
    assert ignored_of(body, ServerSettings()) == named


async def test_an_effort_reaches_the_agent_that_takes_it(house: Housed) -> None:
    answer = await house.chat("hello", reasoning_effort="high")
    assert (answer.status, answer.ours["ignored"]) == (200, [])
    again = await house.chat("hello")
    assert (again.status, [turn.effort for turn in house.house.agents.turns]) == (
        200,
        ["high", None],
    )


async def test_an_effort_that_an_agent_does_not_take_is_named(house: Housed) -> None:
    house.house.agents.taking_effort = ("low",)
    answer = await house.chat("hello", reasoning_effort="high", max_tokens=5)
    assert (answer.status, answer.ours["ignored"]) == (200, ["max_tokens", "reasoning_effort"])
    assert [turn.effort for turn in house.house.agents.turns] == [None]


def test_names_are_few_and_short() -> None:
    body = {f"{number:03}{'x' * 1000}": number for number in range(200)}
    named = ignored_of(body, ServerSettings())
    assert len(named) == MOST_NAMED
    assert {len(name) for name in named} == {MOST_CHARACTERS}


async def test_the_same_tools_are_part_of_what_a_key_stands_for(house: Housed) -> None:
    key = {"Idempotency-Key": "k"}
    first = await house.chat("hello", tools=TOOLS, headers=key)
    again = await house.chat("hello", tools=TOOLS, headers=key)
    other = await house.chat("hello", headers=key)
    assert (again.body, other.code) == (first.body, "idempotency_conflict")
