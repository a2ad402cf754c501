"""Chats whose words are the same as far as they go, and what tells them apart all the same."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
from chat_clients import Chat, Profile, chats_of
from remembering_agent import ASSISTANT, HALF, USER, Said
from restarted_gateway import Gateway, picture

HELLO = Said(USER, "hello")
CAT = Said(USER, "hello", (picture("cat"),))


@attrs.define
class Twins:
    gateway: Gateway
    left: Chat
    right: Chat

    def right_ones(self) -> list[str]:
        """The words of each thread that the right chat's own question is in."""
        threads = self.gateway.agent.kept.values()
        return [
            " ".join(each.text for each in thread.said)
            for thread in threads
            if any("right" in each.text for each in thread.said)
        ]


@pytest.fixture
async def twins(tmp_path: Path) -> AsyncIterator[Twins]:
    gateway = await Gateway(tmp_path).open()
    yield Twins(gateway, *chats_of(gateway, [Profile(), Profile()]))
    await gateway.stop()


async def test_a_chat_does_not_go_on_where_its_twin_was_stopped(twins: Twins) -> None:
    await twins.right.ask(HELLO, "fine")
    await twins.left.stop(HELLO, shows=HALF)
    await twins.right.ask(Said(USER, "right"), "yes")
    assert twins.right_ones() == ["hello fine right yes"]


async def test_a_chat_returns_to_its_answer_and_not_to_the_one_it_stopped(twins: Twins) -> None:
    chat = twins.right
    await chat.ask(HELLO, "fine")
    await chat.ask(Said(USER, "why?"), "because")
    answered = chat.said
    chat.back(1)
    await chat.stop(Said(USER, "why?"), shows=HALF)
    chat.said = answered
    await chat.ask(Said(USER, "right"), "yes")
    assert twins.right_ones() == ["hello fine why? because right yes"]


async def test_a_chat_does_not_see_the_picture_that_its_twin_showed(twins: Twins) -> None:
    await twins.right.ask(HELLO, "fine")
    await twins.right.ask(Said(USER, "right, first"), "yes")
    await twins.left.ask(CAT, "fine")
    twins.right.back(1)
    await twins.right.ask(Said(USER, "right"), "yes")
    assert twins.gateway.agent.wrong == []


async def test_a_chat_does_not_ask_again_in_a_thread_that_was_shown_its_twins_picture(
    twins: Twins,
) -> None:
    for chat in (twins.left, twins.right):
        await chat.ask(HELLO, "fine")
    await twins.left.stop(Said(USER, "what is it?", (picture("cat"),)), shows=None)
    await twins.right.ask(Said(USER, "what is it?"), "yes")
    assert twins.gateway.agent.wrong == []


async def test_a_shortened_chat_does_not_go_on_behind_a_question_it_took_back(
    twins: Twins,
) -> None:
    chat = twins.right
    for number in range(3):
        await chat.ask(Said(USER, f"question {number}"), f"answer {number}")
    await chat.stop(Said(USER, "taken back"), shows=None)
    chat.shorten(2)
    await chat.ask(Said(USER, "right"), "yes")
    (heard,) = twins.right_ones()
    assert "taken back" not in heard


async def test_a_shortened_chat_asks_again_in_its_thread(twins: Twins) -> None:
    chat = twins.right
    for number in range(3):
        await chat.ask(Said(USER, f"question {number}"), f"answer {number}")
    chat.shorten(2)
    await chat.stop(Said(USER, "right"), shows=None)
    await chat.ask(Said(USER, "right"), "yes")
    thread = twins.gateway.agent.kept[chat.backend_id]
    assert [each.text for each in thread.said[-4:]] == ["right", HALF, "right", "yes"]
    assert [each.role for each in thread.said[-4:]] == [USER, ASSISTANT, USER, ASSISTANT]


async def test_a_shortened_chat_that_went_back_does_not_go_on_in_another_ones_thread(
    twins: Twins,
) -> None:
    for chat in (twins.left, twins.right):
        await chat.ask(Said(USER, f"{chat.name} begins"), "well")
        await chat.ask(HELLO, "fine")
        await chat.ask(Said(USER, "go on"), "yes")
    await twins.right.ask(Said(USER, "right, first"), "done")
    twins.right.back(1)
    twins.right.shorten(2)
    await twins.right.ask(Said(USER, "right"), "done")
    assert not any("chat0 begins" in heard for heard in twins.right_ones())
