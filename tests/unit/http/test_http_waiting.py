"""Requests that wait for their place: comments for their clients, a list for whoever asks."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from http_with_fakes import NOW, a_request, opened, services

from codara.application.turns.places import Lack, Wanted
from codara.application.turns.waiting import Waiter
from codara.errors import WorkspaceBusy
from codara.http.openai import submitting
from tests.fakes.operators import OPERATOR_TOKEN
from tests.fakes.turns import FakeTurns, HeldTurns
from tests.fakes.users import CALLER, KEY


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(submitting, "PATIENT_SECONDS", 0.01)
    yield


def waiter(number: int, user_id: str) -> Waiter:
    wanted = Wanted(
        request_id=f"req_{number}",
        turn_id=f"trn_{number}",
        user_id=user_id,
        user_limit=3,
        workspace_id="wsp_1",
    )
    lack = Lack("workspace", "trn_0")
    return Waiter(wanted=wanted, lack=lack, since=NOW, position=number)


async def test_a_stream_that_waits_begins_with_comments_and_ends_as_any_other() -> None:
    turns = HeldTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(stream=True))
        assert answer.status == 200
        assert await answer.content.readline() == b": waiting for a place\n"
        turns.goes_on.set()
        blocks = (await answer.text()).strip().split("\n\n")
    assert blocks[0] == ": trn_1 has started"
    assert blocks[-1] == "data: [DONE]"
    assert json.loads(blocks[1].removeprefix("data: "))["id"] == "chatcmpl-trn_1"
    assert "X-Codara-Task" not in answer.headers


async def test_what_refuses_a_stream_that_has_waited_is_an_error_frame() -> None:
    turns = HeldTurns(refused=WorkspaceBusy("held by trn_0", retry_after=1.0))
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(stream=True))
        turns.goes_on.set()
        blocks = (await answer.text()).strip().split("\n\n")
    assert json.loads(blocks[-1].removeprefix("data: "))["error"]["code"] == "workspace_busy"
    assert "[DONE]" not in blocks[-1]


async def test_what_is_refused_soon_is_refused_with_its_status() -> None:
    turns = FakeTurns(refused=WorkspaceBusy("held by trn_0", retry_after=1.0))
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(a_request(stream=True))
    assert answer.status == 409
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_while_it_waits_takes_its_request_along(stream: bool) -> None:
    turns = HeldTurns()
    async with opened(services(turns=turns)) as door:
        asking = asyncio.create_task(door.chat(a_request(stream=stream)))
        await turns.came.wait()
        if stream:
            (await asking).close()
        else:
            asking.cancel()
        await asyncio.wait_for(turns.lost.wait(), 10)


async def test_a_client_may_ask_to_be_refused_at_once() -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        await door.chat(a_request(uag_options={"queue": "refuse"}))
        await door.chat(a_request())
        wrong = await door.chat(a_request(queue="later"))
    assert [each.refuse for each in turns.asked] == [True, False]
    assert wrong.status == 400


async def test_who_waits_is_listed_for_operators_and_for_each_user() -> None:
    turns = FakeTurns(waiters=[waiter(1, CALLER.user_id), waiter(2, "usr_other")])
    async with opened(services(turns=turns)) as door:
        every = await asked(door, "/management/v1/requests?outcome=waiting", OPERATOR_TOKEN)
        own = await asked(door, "/v1/user/requests?outcome=waiting", KEY)
        wrong = await asked(door, "/v1/user/requests?outcome=bogus", KEY)
    assert [each["request_id"] for each in every["data"]] == ["req_1", "req_2"]
    (mine,) = own["data"]
    assert (mine["waits_for"], mine["behind"], mine["position"]) == ("workspace", "trn_0", 1)
    assert wrong["error"]["param"] == "outcome"


async def asked(door: Any, path: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with door.http.get(f"{door.url}{path}", headers=headers) as answer:
        return await answer.json()
