"""What is busy: a request waits in its place, is refused, or ends a turn that nobody hears."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from http_with_turns import OTHER_KEY, Housed, housed, said, user

from codara.application.turns import submit as turning
from codara.events.session import TurnCancelled
from codara.http.openai import submitting
from tests.http_reply import Reply

NAMED = {"client_session_id": "mine"}
AT_ONCE = {"uag_options": {"queue": "refuse"}}
KEYED = {"Idempotency-Key": "k"}
AGAIN = {"x-stainless-retry-count": "1"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


async def begun(house: Housed, *messages: Any, **more: Any) -> "asyncio.Task[Reply]":
    """A request whose turn waits in its agent, with its client listening."""
    house.agent.shut()
    asking = asyncio.create_task(house.chat(*messages, **more))
    await house.agent.reached.wait()
    await house.listeners(1)
    return asking


async def left(house: Housed, *messages: Any, **more: Any) -> str:
    """A turn that runs on although its client has left; its id."""
    asking = await begun(house, *messages, **more)
    asking.cancel()
    await house.listeners(0)
    (turn_id,) = house.turn_ids()
    return turn_id


async def cancelled(house: Housed) -> list[tuple[str, str]]:
    """The turns that were cancelled, and why."""
    recorded = [each.event for each in await house.house.log.read(0, limit=1000)]
    return [(each.turn_id, each.cause) for each in recorded if isinstance(each, TurnCancelled)]


# ---------------------------------------------------------------- refused at once


@pytest.mark.parametrize(
    ("more", "code", "status"),
    [
        ({}, "workspace_busy", 409),
        (NAMED, "session_busy", 409),
        ({"workspace_id": "fourth"}, "concurrency_limit", 429),
    ],
    ids=["workspace", "session", "user"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_who_does_not_want_to_wait_is_refused_at_once(
    house: Housed, more: dict[str, str], code: str, status: int, stream: bool
) -> None:
    asking = [await begun(house, "hello", **NAMED)]
    for place in ("second", "third"):
        asking.append(asyncio.create_task(house.chat("hello", workspace_id=place)))
    await house.running(3)
    refused = await house.chat("more", **more, **AT_ONCE, stream=stream)
    assert (refused.status, refused.code) == (status, code)
    assert int(refused.headers["Retry-After"]) > 0
    assert house.house.turns.waiting() == []
    house.agent.open.set()
    await asyncio.gather(*asking)
    assert (await house.chat("more", **more, **AT_ONCE)).status == 200


# ---------------------------------------------------------------- waiting


async def test_a_client_that_leaves_while_it_waits_loses_its_place(house: Housed) -> None:
    first = await begun(house, "first")
    second = asyncio.create_task(house.chat("second"))
    await house.someone_waits()
    third = asyncio.create_task(house.chat("third"))
    await house.someone_waits(2)
    second.cancel()
    await house.someone_waits(1)
    house.agent.open.set()
    assert {(await first).status, (await third).status} == {200}
    assert house.agent.told == ["first", "third"]


async def test_a_client_that_leaves_before_it_waits_never_comes_into_the_line(
    house: Housed, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered, offering, goes_on = turning.offer, asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        offering.set()
        await goes_on.wait()
        return await offered(*asked)

    first = await begun(house, "first")
    monkeypatch.setattr(turning, "offer", slowly)
    second = asyncio.create_task(house.chat("second"))
    await offering.wait()
    await gone(second)
    goes_on.set()
    await house.chat("third", **AT_ONCE)
    assert house.house.turns.waiting() == []
    house.agent.open.set()
    await first


async def test_clients_with_one_key_that_leave_while_they_wait_leave_nothing(
    house: Housed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of them waits for the first one's word, not yet in the line."""
    offered, came = turning.offer, asyncio.Queue[None]()

    async def seen(*asked: Any) -> Any:
        came.put_nowait(None)
        return await offered(*asked)

    first = await begun(house, "first")
    monkeypatch.setattr(turning, "offer", seen)
    both = []
    for _ in range(2):
        both.append(asyncio.create_task(house.chat("second", headers=KEYED)))
        await came.get()
        await house.someone_waits()
    for each in reversed(both):
        await gone(each)
    await house.chat("third", **AT_ONCE)
    assert house.house.turns.waiting() == []
    house.agent.open.set()
    await first


async def gone(asking: "asyncio.Task[Reply]") -> None:
    """Its client has hung up, and the gateway has seen it."""
    asking.cancel()
    await asyncio.wait({asking})
    await asyncio.sleep(0.1)


async def test_a_request_that_waits_is_refused_when_the_gateway_stops(house: Housed) -> None:
    first = await begun(house, "first")
    second = asyncio.create_task(house.chat("second"))
    await house.someone_waits()
    await house.house.turns.close(0.0)
    for each in (await first, await second):
        assert (each.status, each.code) == (503, "shutting_down")
    assert int((await second).headers["Retry-After"]) > 0
    assert house.agent.told == ["first"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that waits begins almost at once."""
    monkeypatch.setattr(submitting, "PATIENT_SECONDS", 0.01)


async def test_a_stream_that_waits_gets_comments_then_its_turn(
    house: Housed, impatient: None
) -> None:
    first = await begun(house, "first")
    async with house.asking("second", stream=True) as answer:
        assert answer.status == 200
        assert (await answer.content.readline()).startswith(b": ")
        await house.someone_waits()
        house.agent.open.set()
        blocks = (await answer.text()).strip().split("\n\n")
    assert (await first).status == 200
    assert blocks[-1] == "data: [DONE]"


@pytest.mark.parametrize("named", [{}, NAMED])
async def test_what_refuses_a_stream_that_has_waited_is_an_error_frame(
    house: Housed, impatient: None, named: dict[str, str]
) -> None:
    first = await begun(house, "first", **named)
    async with house.asking("second", stream=True, **named) as answer:
        assert answer.status == 200
        await house.someone_waits()
        await house.house.turns.close(0.0)
        blocks = (await answer.text()).strip().split("\n\n")
    await first
    error = json.loads(blocks[-1].removeprefix("data: "))["error"]
    assert error["code"] == "shutting_down"
    assert not any("[DONE]" in each or "finish_reason" in each for each in blocks)


# ---------------------------------------------------------------- turns that nobody hears


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"client_session_id": "mine"}, {"client_session_id": "mine"}),
        ({"metadata": {"chat_id": "c"}}, {"metadata": {"chat_id": "c"}}),
    ],
    ids=["session", "chat"],
)
async def test_a_turn_that_nobody_hears_gives_way_in_the_same_session_or_chat(
    house: Housed, before: dict[str, Any], after: dict[str, Any]
) -> None:
    unheard = await left(house, "write a lot", **before)
    resent = asyncio.create_task(house.chat("write less", **after))
    await house.told(2)
    house.agent.open.set()
    assert (await resent).status == 200
    assert await cancelled(house) == [(unheard, "client_gone")]


async def test_a_turn_that_nobody_hears_gives_way_to_the_same_history(house: Housed) -> None:
    await house.chat("hello")
    unheard = await left(house, "hello", said("fine"), "write a lot")
    resent = asyncio.create_task(house.chat("hello", said("fine"), "write less"))
    await house.told(3)
    house.agent.open.set()
    assert (await resent).thread == "forked"
    assert await cancelled(house) == [(unheard, "client_gone")]


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ({}, {}, None),
        ({"client_session_id": "mine"}, {"client_session_id": "other"}, None),
        ({"metadata": {"chat_id": "c"}}, {"metadata": {"chat_id": "d"}}, None),
        ({"metadata": {"chat_id": "c"}}, {"metadata": {"chat_id": "c"}}, OTHER_KEY),
    ],
    ids=["no history", "another session", "another chat", "another caller"],
)
async def test_any_other_request_waits_for_a_turn_that_nobody_hears(
    house: Housed, before: dict[str, Any], after: dict[str, Any], key: str | None
) -> None:
    await left(house, "hello", **before)
    other = {"key": key} if key else {}
    waiting = asyncio.create_task(house.chat("hello", **after, **other, workspace_id="default"))
    await house.someone_waits()
    assert await cancelled(house) == []
    house.agent.open.set()
    await waiting
    assert await cancelled(house) == []


async def test_a_turn_with_a_key_does_not_give_way(house: Housed) -> None:
    unheard = await left(house, "write a lot", headers=KEYED, **NAMED)
    resent = asyncio.create_task(house.chat("write less", **NAMED))
    await house.someone_waits()
    assert house.turn_ids() == [unheard]
    house.agent.open.set()
    assert (await resent).thread == "resumed"
    assert await cancelled(house) == []
    again = await house.chat("write a lot", headers=KEYED, **NAMED)
    assert (again.ours["task_id"], again.status) == (unheard, 200)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_turn_that_somebody_hears_does_not_give_way(house: Housed) -> None:
    first = await begun(house, "write a lot", **NAMED)
    second = asyncio.create_task(house.chat("write less", **NAMED))
    await house.someone_waits()
    house.agent.open.set()
    assert {(await first).status, (await second).status} == {200}
    assert await cancelled(house) == []


@pytest.mark.parametrize("named", [NAMED, {"metadata": {"chat_id": "c"}}])
async def test_a_retry_joins_a_turn_that_nobody_hears_instead_of_ending_it(
    house: Housed, named: dict[str, Any]
) -> None:
    unheard = await left(house, "write a lot", **named)
    again = asyncio.create_task(house.chat("write a lot", headers=AGAIN, **named))
    await house.listeners(1)
    house.agent.open.set()
    assert (await again).ours["task_id"] == unheard
    assert await cancelled(house) == []


async def test_the_same_request_without_a_sign_of_a_retry_ends_it(house: Housed) -> None:
    unheard = await left(house, user("write a lot"), **NAMED)
    resent = asyncio.create_task(house.chat("write a lot", **NAMED))
    await house.told(2)
    house.agent.open.set()
    assert (await resent).ours["task_id"] != unheard
    assert await cancelled(house) == [(unheard, "client_gone")]
