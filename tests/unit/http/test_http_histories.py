"""Histories as long as no chat: answered, found again, and put into words beside the event loop."""

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from http_with_turns import Housed, housed, said, user

from codara.domain import history, transcript
from codara.http.openai import chat

MANY = 100_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    async with housed(tmp_path) as opened:
        yield opened


def a_chat(number: int) -> list[dict[str, Any]]:
    """So many questions and answers in turns, each another one."""
    return [(user, said)[at % 2](f"message {at}") for at in range(number)]


async def test_a_hundred_thousand_messages_are_heard_once_and_found_again(house: Housed) -> None:
    first = await house.chat(*a_chat(MANY), "the last one")
    assert (first.status, first.thread) == (200, "new")
    heard = house.agent.told[0]
    assert all(f"\nmessage {at}\n" in heard for at in (0, 1, MANY // 2, MANY - 1))
    assert heard.endswith("the last one")
    second = await house.chat(*a_chat(MANY), "the last one", said("fine"), "more")
    assert (second.session, second.thread) == (first.session, "resumed")
    assert house.agent.told[1] == "more"


@pytest.mark.parametrize(
    "nothing",
    [user(""), said(None), {"role": "tool"}, {"role": "system"}],
    ids=["user", "assistant", "tool", "system"],
)
async def test_a_hundred_thousand_messages_may_say_nothing(
    house: Housed, nothing: dict[str, Any]
) -> None:
    first = await house.chat(*[nothing] * MANY, "hello", said("fine"), "more")
    assert first.status == 200
    assert "hello" in house.agent.told[0]


async def test_a_hundred_thousand_parts_are_one_message(house: Housed) -> None:
    parts = [{"type": "text", "text": str(at)} for at in range(MANY)]
    answer = await house.chat(user(parts))
    assert (answer.status, house.agent.told[0].count("\n")) == (200, MANY - 1)


# ---------------------------------------------------------------- beside the event loop


class Where:
    """The threads in which a function was called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.threads: set[int] = set()

    def __call__(self, *asked: Any) -> Any:
        self.threads.add(threading.get_ident())
        return self._function(*asked)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Sequence[Where]:
    """What is done with every message of a request before its turn begins."""
    places = ((chat, "decode"), (history, "told"), (transcript, "points_of"))
    found = [Where(getattr(module, name)) for module, name in places]
    for (module, name), step in zip(places, found, strict=True):
        monkeypatch.setattr(module, name, step)
    return found


@pytest.mark.parametrize(
    "messages",
    [
        a_chat(20_000),
        [user("x" * 300_000)],
        [user("x")] * 20_000,
    ],
    ids=["a long chat", "a long message", "many short messages"],
)
async def test_what_is_long_is_read_and_put_into_words_beside_the_event_loop(
    house: Housed, steps: Sequence[Where], messages: list[dict[str, Any]]
) -> None:
    assert (await house.chat(*messages, "more")).status == 200
    for step in steps:
        assert step.threads
        assert threading.get_ident() not in step.threads


async def test_what_is_short_is_not_worth_a_thread(house: Housed, steps: Sequence[Where]) -> None:
    assert (await house.chat(*a_chat(20), "more")).status == 200
    assert {each for step in steps for each in step.threads} == {threading.get_ident()}
