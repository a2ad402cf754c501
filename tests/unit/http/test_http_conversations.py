"""Conversations over HTTP: which session a request is answered in, and what its agent hears."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from http_with_turns import Housed, housed, said, user

from codara.application.turns import submit as submitting
from codara.application.turns.seating import find_seat

NAMED = {"client_session_id": "mine"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


def tool(text: str) -> dict[str, str]:
    return {"role": "tool", "tool_call_id": "c", "content": text}


def system(text: str, role: str = "system") -> dict[str, str]:
    return {"role": role, "content": text}


# ---------------------------------------------------------------- odd histories


@pytest.mark.parametrize("nothing", [None, "", " \n", []])
async def test_a_history_with_empty_messages_leads_back(house: Housed, nothing: Any) -> None:
    first = await house.chat(system(nothing), user(nothing), "hello", said(nothing))
    assert first.status == 200
    second = await house.chat(
        system(nothing), user(nothing), "hello", said(nothing), said("fine"), tool(""), "more"
    )
    assert (second.session, second.thread) == (first.session, "resumed")
    assert house.agent.told[1] == "more"


@pytest.mark.parametrize("nothing", [None, "", " \n", []])
async def test_a_request_in_which_no_user_says_anything_is_refused(
    house: Housed, nothing: Any
) -> None:
    refused = await house.chat(system("be kind"), user(nothing), said("fine"), tool("21"))
    assert (refused.status, refused.code) == (400, "invalid_request")
    assert refused.body["error"]["param"] == "messages"


async def test_an_empty_question_goes_on(house: Housed) -> None:
    first = await house.chat("hello")
    second = await house.chat("hello", said("fine"), user(""))
    assert (second.session, second.thread) == (first.session, "resumed")


async def test_a_history_that_begins_with_an_answer_is_told_once(house: Housed) -> None:
    first = await house.chat(said("Welcome."), "hello")
    assert first.thread == "new"
    assert house.agent.told[0].index("Welcome.") < house.agent.told[0].index("hello")
    second = await house.chat(said("Welcome."), "hello", said("fine"), "more")
    assert (second.session, second.thread) == (first.session, "resumed")
    assert house.agent.told[1] == "more"


async def test_a_list_that_ends_with_a_tools_result_tells_it(house: Housed) -> None:
    first = await house.chat("hello")
    asked = ["hello", said("fine"), "how warm is it?", CALL, tool("21 degrees")]
    second = await house.chat(*asked)
    assert (second.session, second.thread) == (first.session, "resumed")
    heard = house.agent.told[1]
    assert heard.index("how warm is it?") < heard.index("=== TOOL ===\n21 degrees")
    assert "hello" not in heard
    third = await house.chat(*asked, said("fine"), "thanks")
    assert (third.session, third.thread) == (first.session, "resumed")
    assert house.agent.told[2] == "thanks"


async def test_a_tools_result_alone_is_told(house: Housed) -> None:
    first = await house.chat("hello")
    second = await house.chat("hello", said("fine"), CALL, tool("21 degrees"))
    assert (second.session, second.thread) == (first.session, "resumed")
    assert "21 degrees" in house.agent.told[1]
    assert "hello" not in house.agent.told[1]


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_instructions_in_the_middle_are_no_part_of_the_conversation(
    house: Housed, role: str
) -> None:
    first = await house.chat(system("be kind"), "hello")
    second = await house.chat(
        system("be kind"), "hello", said("fine"), system("be terse", role), "more"
    )
    assert (second.session, second.thread) == (first.session, "resumed")
    assert house.agent.told[1] == "more"
    assert house.agent.instructed[1] == "be kind\n\nbe terse"
    third = await house.chat(
        system("be kind"), "hello", said("fine"), "more", said("fine"), "and more"
    )
    assert (third.session, house.agent.told[2]) == (first.session, "and more")


async def test_a_beginning_of_the_answer_is_gone_on_with(house: Housed) -> None:
    first = await house.chat("hello")
    again = await house.chat("hello", said("fine"))
    assert (again.session, again.thread) == (first.session, "resumed")
    assert "Go on with your last answer" in house.agent.told[1]


async def test_a_beginning_that_is_the_clients_own_is_told_with_the_question(
    house: Housed,
) -> None:
    await house.chat("hello", **NAMED)
    poem = await house.chat("hello", said("fine"), "write a poem", said("Roses are"), **NAMED)
    assert poem.thread == "resumed"
    heard = house.agent.told[1]
    assert "go on with it" in heard
    assert heard.index("write a poem") < heard.index("Roses are")
    assert "hello" not in heard


async def test_a_beginning_in_a_list_that_nobody_knows_is_told_whole(house: Housed) -> None:
    poem = await house.chat("write a poem", said("Roses are"))
    assert poem.thread == "new"
    assert "go on with it" in house.agent.told[0]


# ---------------------------------------------------------------- at the same moment


async def test_two_equal_requests_without_a_name_are_two_conversations(house: Housed) -> None:
    both = await asyncio.gather(house.chat("hello"), house.chat("hello"))
    assert [each.thread for each in both] == ["new", "new"]
    assert len({each.session for each in both}) == 2
    assert sorted(house.agent.heard.values()) == [["hello"], ["hello"]]


async def test_two_equal_requests_of_one_name_are_heard_one_after_the_other(
    house: Housed,
) -> None:
    both = await asyncio.gather(house.chat("hello", **NAMED), house.chat("hello", **NAMED))
    assert sorted(each.thread for each in both) == ["new", "resumed"]
    assert len({each.session for each in both}) == 1
    assert house.agent.heard == {"codex-1": ["hello", "hello"]}


async def test_those_who_wait_for_a_name_are_heard_in_the_order_in_which_they_came(
    house: Housed,
) -> None:
    house.agent.shut()
    asking = [asyncio.create_task(house.chat("first", **NAMED))]
    await house.agent.reached.wait()
    for number, text in enumerate(("second", "third"), 1):
        asking.append(asyncio.create_task(house.chat(text, **NAMED)))
        await house.someone_waits(number)
    house.agent.open.set()
    assert {(await each).status for each in asking} == {200}
    assert house.agent.heard == {"codex-1": ["first", "second", "third"]}


async def test_equal_requests_with_one_key_are_one_turn(house: Housed) -> None:
    key = {"Idempotency-Key": "k"}
    several = await asyncio.gather(*(house.chat("hello", headers=key) for _ in range(4)))
    assert len({each.ours["task_id"] for each in several}) == 1
    assert house.agent.told == ["hello"]


# ---------------------------------------------------------------- gone in between

Between = Callable[[str], Awaitable[None]]


def once_found(monkeypatch: pytest.MonkeyPatch, happens: Between) -> None:
    """Lets something happen to the session behind the first seat that is found."""
    seats: list[str] = []

    async def found(*asked: Any) -> Any:
        seat = await find_seat(*asked)
        seats.append(seat.session_id)
        if len(seats) == 1:
            await happens(seat.session_id)
        return seat

    monkeypatch.setattr(submitting, "find_seat", found)


@pytest.mark.parametrize("named", [{}, NAMED])
async def test_a_session_that_is_reset_while_it_is_found_is_told_anew(
    house: Housed, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    await house.chat("hello", **named)
    once_found(monkeypatch, house.reset)
    on = await house.chat("hello", said("fine"), "more", **named)
    assert on.status == 200
    assert house.agent.heard["codex-1"] == ["hello"]
    assert "hello" in house.agent.heard["codex-2"][0]
    assert on.thread == ("fresh" if named else "new")


@pytest.mark.parametrize("named", [{}, NAMED])
async def test_a_session_that_expires_while_it_is_found_is_answered_all_the_same(
    house: Housed, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    async def expire(session_id: str) -> None:
        house.house.clock.move(days=2)

    await house.chat("hello", **named)
    once_found(monkeypatch, expire)
    on = await house.chat("hello", said("fine"), "more", **named)
    assert (on.status, house.agent.told[-1].endswith("more")) == (200, True)


async def test_what_was_reset_is_found_no_more(house: Housed) -> None:
    first = await house.chat("hello")
    await house.reset(first.session)
    on = await house.chat("hello", said("fine"), "more")
    assert (on.thread, on.session == first.session) == ("new", False)
    assert house.agent.heard["codex-1"] == ["hello"]


async def test_what_has_expired_is_found_no_more(house: Housed) -> None:
    await house.chat("hello")
    await house.folded()
    house.house.clock.move(days=2)
    on = await house.chat("hello", said("fine"), "more")
    assert on.thread == "new"
    assert house.agent.heard["codex-1"] == ["hello"]
