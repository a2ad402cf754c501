"""A question that is asked again after its answer was cut: what its thread has come to by then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chat_clients import STATEFUL, Chat, Profile, chats_of
from remembering_agent import USER, Said
from restarted_gateway import Gateway

from codara.domain.conversation import is_cut
from codara.events.session import TurnCompleted

HELLO, WHY, MORE = Said(USER, "hello"), Said(USER, "why?"), Said(USER, "more")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    opened = await Gateway(tmp_path).open()
    yield opened
    await opened.stop()


async def asked_again(gateway: Gateway, **profile: str) -> Chat:
    """A chat whose second question was stopped, asked again, and answered."""
    (chat,) = chats_of(gateway, [Profile(**profile)])
    await chat.ask(HELLO, "fine")
    await chat.stop(WHY, shows=None)
    await chat.ask(WHY, "because")
    return chat


async def test_the_answer_is_part_of_the_transcript(gateway: Gateway) -> None:
    await asked_again(gateway)
    completed = await gateway.house.the(TurnCompleted)
    assert not is_cut(completed.end.thread.point)
    assert completed.end.thread.mark is not None


async def test_the_next_message_is_told_without_a_word_of_a_cut_answer(gateway: Gateway) -> None:
    chat = await asked_again(gateway)
    await chat.ask(MORE, "done")
    assert gateway.agents.turns[-1].prompt == "more"


async def test_another_answer_is_asked_for_in_a_thread_without_the_first(gateway: Gateway) -> None:
    chat = await asked_again(gateway)
    chat.back(1)
    await chat.ask(WHY, "because of that")
    thread = gateway.agent.kept[chat.backend_id]
    assert [each.text for each in thread.said] == ["hello", "fine", "why?", "because of that"]


async def test_a_named_session_tells_the_next_message_alone(gateway: Gateway) -> None:
    chat = await asked_again(gateway, kind=STATEFUL)
    await chat.ask(WHY, "as I said")
    assert gateway.agents.turns[-1].prompt == "why?"


async def test_a_question_that_was_lost_before_it_was_heard_is_told_with_the_next_one(
    gateway: Gateway,
) -> None:
    (chat,) = chats_of(gateway, [Profile()])
    await chat.ask(HELLO, "fine")
    await chat.lose(WHY, shows=None, heard=False)
    chat.said = (*chat.said, WHY)
    await chat.ask(MORE, "done")
    assert gateway.agents.turns[-1].prompt.endswith("why?\n\nmore")
