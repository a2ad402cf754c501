"""Stock clients, which name no session: their chats are kept apart and found again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson
import pytest

from tests.gateway_process import Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

HEARD = "user messages: {count}\n"
ASIDES = Path(__file__).parents[1] / "recorded" / "asides"
QUESTION = "How do I reverse a list in Python?"
ANSWER = "Use reversed(), or a slice with step -1."


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


async def ask(house: Gateway, *messages: dict[str, str], **more: Any) -> Any:
    """One turn by the official client, without a word of ours."""
    async with house.openai() as client:
        return await client.chat.completions.create(
            model="codex/gpt-5-codex",
            messages=list(messages),  # type: ignore[arg-type]
            **more,
        )


def text_of(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def ours(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.model_extra["codara"]
    return found


async def test_eight_calls_at_once_get_eight_answers_in_eight_threads(house: Gateway) -> None:
    """Although a user may run three turns at once: the others wait."""
    asked = (ask(house, user(f"[[sleep:0.2]] [[text:answer {n}]]")) for n in range(8))
    answers = await asyncio.gather(*asked)
    assert sorted(text_of(each) for each in answers) == [f"answer {n}" for n in range(8)]
    assert len({ours(each)["backend_id"] for each in answers}) == 8
    assert len({ours(each)["session_id"] for each in answers}) == 8


async def test_a_new_prompt_is_alone_and_its_continuation_knows_it(house: Gateway) -> None:
    """As `llm`, then `llm -c`."""
    await ask(house, user("something else"))
    first = await ask(house, user("[[history]]"))
    assert HEARD.format(count=1) in text_of(first)
    second = await ask(house, user("[[history]]"), said(text_of(first)), user("[[history]]"))
    assert HEARD.format(count=2) in text_of(second)
    assert ours(second)["session_id"] == ours(first)["session_id"]
    assert ours(second)["thread"] == "resumed"


async def test_two_people_on_one_key_never_hear_each_other(house: Gateway) -> None:
    """Also where their first exchange is equal word for word."""
    hello, answer = user("[[text:hello to you]]"), said("hello to you")
    for _ in range(2):
        assert text_of(await ask(house, hello)) == "hello to you"
    alice = await ask(house, hello, answer, user("my salary is 91827 [[text:noted]]"))
    bob = await ask(house, hello, answer, user("[[history]]"))
    assert ours(alice)["session_id"] != ours(bob)["session_id"]
    assert HEARD.format(count=2) in text_of(bob)
    of_bob = [each for each in house.models.requests if "[[history]]" in str(each.conversation)]
    assert of_bob
    assert not any("91827" in str(each.conversation) for each in of_bob)


def beside(house: Gateway, name: str, question: str, answer: str) -> Any:
    """What Open WebUI asks beside a chat, with the chat in its history block."""
    body = orjson.loads((ASIDES / f"open-webui-{name}.json").read_bytes())
    texts = [each["content"] for each in body["messages"]]
    asked = [user(text.replace(QUESTION, question).replace(ANSWER, answer)) for text in texts]
    return ask(house, *asked)


async def test_titles_tags_and_follow_ups_are_answered_beside_the_chats_next_turn(
    house: Gateway,
) -> None:
    """As Open WebUI asks: the chat's thread holds the chat alone, and nobody waits."""
    hello = user("[[text:one]]")
    first = await ask(house, hello)
    second = asyncio.create_task(ask(house, hello, said("one"), user("[[sleep:20]] [[text:two]]")))
    async with asyncio.timeout(30):
        while not any("sleep:20" in str(each.conversation) for each in house.models.requests):
            await asyncio.sleep(0.05)
    asides = await asyncio.gather(
        *(beside(house, name, "[[text:one]]", "one") for name in ("title", "tags", "follow-ups"))
    )
    assert not second.done()
    assert all(ours(each)["aside"] for each in asides)
    assert all(text_of(each) for each in asides)
    assert len({ours(each)["session_id"] for each in (first, *asides)}) == 4
    assert {ours(each)["workspace_id"] for each in asides}.isdisjoint({ours(first)["workspace_id"]})
    second.cancel()
    third = await ask(house, hello, said("one"), user("[[history]]"))
    heard = [each for each in house.models.requests if "[[history]]" in str(each.conversation)]
    assert HEARD.format(count=2) in text_of(third)
    assert not any("### Task" in str(each.conversation) for each in heard)
    homes = house.data_dir / "homes"
    async with asyncio.timeout(20):
        while any((homes / ours(each)["workspace_id"]).exists() for each in asides):
            await asyncio.sleep(0.1)


async def test_an_edited_question_branches_the_agents_own_thread(house: Gateway) -> None:
    first = await ask(house, user("[[text:one]]"))
    told = [user("[[text:one]]"), said("one")]
    await ask(house, *told, user("[[text:left]]"))
    edited = await ask(house, *told, user("[[history]]"))
    assert ours(edited)["thread"] == "forked"
    assert ours(edited)["forked_from"] == ours(first)["task_id"]
    assert HEARD.format(count=2) in text_of(edited)
    on = await ask(house, *told, user("[[text:left]]"), said("left"), user("[[history]]"))
    assert ours(on)["thread"] == "resumed"
    assert HEARD.format(count=3) in text_of(on)


async def test_two_branches_of_one_history_at_once_are_both_answered(house: Gateway) -> None:
    first = await ask(house, user("[[text:one]]"))
    told = [user("[[text:one]]"), said("one")]
    both = await asyncio.gather(
        ask(house, *told, user("[[text:left]]")), ask(house, *told, user("[[text:right]]"))
    )
    assert [text_of(each) for each in both] == ["left", "right"]
    assert sorted(ours(each)["thread"] for each in both) == ["forked", "resumed"]
    assert len({ours(first)["session_id"], *(ours(each)["session_id"] for each in both)}) == 2


async def test_stop_and_resend_is_answered_at_once_in_the_same_thread(house: Gateway) -> None:
    first = await ask(house, user("[[text:one]]"))
    told = [user("[[text:one]]"), said("one"), user("[[slow:20]] [[text:two three four]]")]
    async with house.openai() as client:
        stream = await client.chat.completions.create(
            model="codex/gpt-5-codex",
            messages=told,  # type: ignore[arg-type]
            stream=True,
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content is not None:
                break
        await stream.close()
    again = await ask(house, *told[:2], user("[[text:at last]]"))
    assert text_of(again) == "at last"
    resent = await ask(house, *told[:2], told[2], said("two"), user("[[text:go on]]"))
    assert text_of(resent) == "go on"
    assert ours(resent)["session_id"] == ours(first)["session_id"]


@pytest.mark.parametrize("loss", ["killed", "stopped without views"])
async def test_a_conversation_is_found_again_after_a_restart(house: Gateway, loss: str) -> None:
    first = await ask(house, user("[[history]]"))
    if loss == "killed":
        await house.kill()
    else:
        await house.stop()
        await asyncio.to_thread(rmtree, house.data_dir / "views")
    await house.start()
    second = await ask(house, user("[[history]]"), said(text_of(first)), user("[[history]]"))
    assert ours(second)["session_id"] == ours(first)["session_id"]
    assert HEARD.format(count=2) in text_of(second)
