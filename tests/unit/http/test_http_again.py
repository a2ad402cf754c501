"""The same request once more, without a session: joined, answered again, or a turn of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hang_up_proxy import cutting
from http_with_turns import KEY, OTHER_KEY, THEIR_KEY, Housed, housed, said
from openai import AsyncOpenAI

AGAIN = {"x-stainless-retry-count": "1"}
BESIDE = {"model": "codex/gpt-5-codex:aside"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


def with_key(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def in_workspace(name: str) -> dict[str, str]:
    """The workspace where it leaves the body as it is."""
    return {"X-Codara-Workspace": name}


# ---------------------------------------------------------------- keys


async def test_a_key_joins_the_turn_that_runs(house: Housed) -> None:
    house.agent.shut()
    asking = [asyncio.create_task(house.chat("hello", headers=with_key("k")))]
    await house.listeners(1)
    asking.append(asyncio.create_task(house.chat("hello", headers=with_key("k"))))
    await house.listeners(2)
    house.agent.open.set()
    first, second = [await each for each in asking]
    assert first.ours["task_id"] == second.ours["task_id"]
    assert "Idempotency-Replayed" not in second.headers
    assert house.agent.told == ["hello"]


async def test_a_key_gets_the_same_answer_again(house: Housed) -> None:
    await house.chat("hello")
    asked = ("hello", said("fine"), "more")
    first = await house.chat(*asked, headers=with_key("k"))
    again = await house.chat(*asked, headers=with_key("k"))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == first.body
    assert again.headers["X-Codara-Task"] == first.ours["task_id"]
    assert house.agent.told == ["hello", "more"]


async def test_a_key_gets_the_same_stream_again_in_one_piece(house: Housed) -> None:
    first = await house.stream("hello", headers=with_key("k"))
    again = await house.stream("hello", headers=with_key("k"))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Codara-Task"] == first.headers["X-Codara-Task"]
    assert again.body[-1] == "data: [DONE]"
    assert len([block for block in again.body if '"content":"fine"' in block]) == 1
    assert house.agent.told == ["hello"]


async def test_a_key_with_another_body_conflicts(house: Housed) -> None:
    await house.chat("hello", headers=with_key("k"))
    other = await house.chat("hello", said("fine"), "more", headers=with_key("k"))
    assert (other.status, other.code) == (409, "idempotency_conflict")
    assert other.headers["x-should-retry"] == "false"
    assert house.agent.told == ["hello"]


async def test_a_key_is_its_callers_own(house: Housed) -> None:
    first = await house.chat("hello", headers=with_key("k"))
    for key in (OTHER_KEY, THEIR_KEY):
        other = await house.chat("hello", key=key, headers=with_key("k"))
        assert other.ours["task_id"] != first.ours["task_id"]
        assert other.session != first.session
    assert len(house.agent.told) == 3


async def test_a_failure_before_a_tool_ran_frees_the_key(house: Housed) -> None:
    house.agent.fails = ["overloaded"]
    failed = await house.chat("hello", headers=with_key("k"))
    assert failed.status == 503
    assert "x-should-retry" not in failed.headers
    again = await house.chat("hello", headers=with_key("k"))
    assert (again.status, again.text) == (200, "fine")
    assert "Idempotency-Replayed" not in again.headers
    assert len(house.agent.told) == 2


async def test_a_key_that_was_freed_takes_any_body(house: Housed) -> None:
    house.agent.fails = ["overloaded"]
    await house.chat("hello", headers=with_key("k"))
    assert (await house.chat("something else", headers=with_key("k"))).status == 200


async def test_a_failure_after_a_tool_ran_is_the_answer_for_good(house: Housed) -> None:
    house.agent.fails, house.agent.uses_tools = ["crashed"], True
    failed = await house.chat("hello", headers=with_key("k"))
    again = await house.chat("hello", headers=with_key("k"))
    for each in (failed, again):
        assert (each.status, each.code) == (502, "agent_failed")
        request_id = each.headers["X-Request-Id"]
        assert each.body["codara"] == {"cause": "crashed", "request_id": request_id}
        assert each.headers["x-should-retry"] == "false"
    assert again.headers["Idempotency-Replayed"] == "true"
    assert house.agent.told == ["hello"]


async def test_a_key_counts_for_more_than_a_count_of_retries(house: Housed) -> None:
    house.agent.shut()
    first = asyncio.create_task(house.chat("hello"))
    await house.listeners(1)
    keyed = asyncio.create_task(house.chat("hello", headers={**with_key("k"), **AGAIN}))
    await house.someone_waits()
    house.agent.open.set()
    assert (await first).ours["task_id"] != (await keyed).ours["task_id"]


# ---------------------------------------------------------------- retries without a key


async def test_a_retry_joins_the_turn_that_runs(house: Housed) -> None:
    house.agent.shut()
    first = asyncio.create_task(house.chat("hello"))
    await house.listeners(1)
    again = asyncio.create_task(house.chat("hello", headers=AGAIN))
    await house.listeners(2)
    house.agent.open.set()
    assert (await first).ours["task_id"] == (await again).ours["task_id"]
    assert house.agent.told == ["hello"]


@pytest.mark.parametrize(
    "other",
    [
        {"key": OTHER_KEY},
        {"key": THEIR_KEY},
        {"headers": in_workspace("elsewhere")},
        {"headers": {"X-Codara-Session": "mine"}},
        {"headers": {"x-stainless-retry-count": "0"}},
        {"temperature": 1},
    ],
    ids=["another key", "another user", "workspace", "session", "no retry", "another body"],
)
async def test_what_is_no_retry_of_it_joins_nothing(house: Housed, other: dict[str, Any]) -> None:
    house.agent.shut()
    first = asyncio.create_task(house.chat("hello"))
    await house.listeners(1)
    headers = {**AGAIN, **other.get("headers", {})}
    second = asyncio.create_task(house.chat("hello", **{**other, "headers": headers}))
    await house.another_begins_or_waits()
    house.agent.open.set()
    assert (await first).ours["task_id"] != (await second).ours["task_id"]
    assert house.agent.told == ["hello", "hello"]


async def test_a_retry_of_a_turn_that_has_ended_is_a_turn_of_its_own(house: Housed) -> None:
    first = await house.chat("hello")
    again = await house.chat("hello", headers=AGAIN)
    assert again.ours["task_id"] != first.ours["task_id"]


async def equal_turns(house: Housed) -> list[asyncio.Task[Any]]:
    """Two equal turns at once, which share no workspace: what is asked beside a chat."""
    asking = []
    for begun in (1, 2):
        asking.append(asyncio.create_task(house.chat("hello", **BESIDE)))
        await house.running(begun)
    return asking


async def test_of_equal_turns_a_retry_joins_one_whose_client_has_left(house: Housed) -> None:
    house.agent.shut()
    asking = await equal_turns(house)
    _, second = house.turn_ids()
    asking[1].cancel()
    await house.listens(second, 0)
    again = asyncio.create_task(house.chat("hello", headers=AGAIN, **BESIDE))
    await house.listens(second, 1)
    house.agent.open.set()
    assert (await again).ours["task_id"] == second
    assert (await asking[0]).ours["task_id"] != second


async def test_of_equal_turns_each_retry_joins_the_oldest_that_nobody_has_joined(
    house: Housed,
) -> None:
    house.agent.shut()
    asking = await equal_turns(house)
    turns = house.turn_ids()
    for each in turns:
        asking.append(asyncio.create_task(house.chat("hello", headers=AGAIN, **BESIDE)))
        await house.listens(each, 2)
    house.agent.open.set()
    answers = [(await each).ours["task_id"] for each in asking]
    assert answers == [*turns, *turns]


# ---------------------------------------------------------------- the official client


async def test_the_official_clients_own_retry_gets_the_answer_that_its_first_try_began(
    house: Housed,
) -> None:
    house.agent.shut()
    async with cutting(house.url, house.agent.reached) as address:
        client = AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=1, timeout=15)
        async with client:
            asking = asyncio.create_task(
                client.chat.completions.create(
                    model="codex/gpt-5-codex", messages=[{"role": "user", "content": "hello"}]
                )
            )
            await house.agent.reached.wait()
            await house.listeners(0)
            (turn,) = house.turn_ids()
            await house.listeners(1)
            house.agent.open.set()
            answer = await asking
    assert answer.choices[0].message.content == "halfine"
    assert answer.model_extra is not None
    assert answer.model_extra["codara"]["task_id"] == turn
    assert house.agent.told == ["hello"]
