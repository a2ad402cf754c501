"""How an answer of the scripted model ends, in the words of each wire format."""

from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from aiohttp import ClientPayloadError
from aiohttp.test_utils import TestClient, TestServer

from codara.demo.modelserver import ModelServer

TOOLS = [{"type": "function", "function": {"name": "bash"}}]


@attrs.frozen
class Wire:
    """Where a wire format is asked what, and its words for ends: whole, length, filter."""

    path: str
    body: Any
    words: tuple[str, str, str]


WIRES = {
    "responses": Wire(
        "/v1/responses",
        lambda prompt: {"input": [{"role": "user", "content": prompt}]},
        ("response.completed", "max_output_tokens", '"content_filter"'),
    ),
    "chat": Wire(
        "/v1/chat/completions",
        lambda prompt: {"messages": [{"role": "user", "content": prompt}], "tools": TOOLS},
        ('"stop"', '"length"', '"content_filter"'),
    ),
    "gemini": Wire(
        "/v1beta/models/m:streamGenerateContent",
        lambda prompt: {"contents": [{"role": "user", "parts": [{"text": prompt}]}]},
        ('"STOP"', '"MAX_TOKENS"', '"SAFETY"'),
    ),
    "anthropic": Wire(
        "/v1/messages",
        lambda prompt: {"messages": [{"role": "user", "content": prompt}]},
        ('"end_turn"', '"max_tokens"', '"refusal"'),
    ),
}
each = pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)

Client = TestClient[Any, Any]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(ModelServer().application())) as client:
        yield client


async def said(client: Client, wire: Wire, prompt: str) -> str:
    answer = await client.post(wire.path, json={"model": "m", **wire.body(prompt)})
    assert answer.status == 200
    return str(await answer.text())


@each
async def test_an_answer_ends_whole_or_early(client: Client, wire: Wire) -> None:
    prompts = ("[[text:hi]]", "[[text:hi]] [[end:length]]", "[[text:hi]] [[end:filter]]")
    for prompt, word in zip(prompts, wire.words, strict=True):
        found = await said(client, wire, prompt)
        assert [other for other in wire.words if other in found] == [word]


@each
async def test_an_end_nobody_planned_for_has_its_own_word(client: Client, wire: Wire) -> None:
    assert '"pause_turn"' in await said(client, wire, "[[text:hi]] [[end:pause_turn]]")


async def test_a_response_may_fail_in_the_middle(client: Client) -> None:
    found = await said(client, WIRES["responses"], "[[text:hi]] [[end:failed]]")
    assert "response.failed" in found and "response.completed" not in found


@pytest.mark.parametrize(
    ("ending", "streamed", "ended"),
    [
        ("done", '"delta": "hi"', '"text": "hi"'),
        ("open", '"delta": "hi"', None),
        ("rest", None, '"text": "hi"'),
        ("refusal", '"delta": "hi"', '"type": "refusal"'),
        ("nothing", None, None),
    ],
)
async def test_a_response_may_be_called_whole_whatever_became_of_its_message(
    client: Client, ending: str, streamed: str | None, ended: str | None
) -> None:
    found = await said(client, WIRES["responses"], f"[[text:hi]] [[end:{ending}]]")
    assert "response.completed" in found
    assert ("output_text.delta" in found, "output_item.done" in found) == (
        streamed is not None,
        ended is not None,
    )
    assert all(told in found for told in (streamed, ended) if told)


@each
async def test_a_cut_answer_has_no_end_and_a_dropped_one_breaks(client: Client, wire: Wire) -> None:
    found = await said(client, wire, "[[fail:cut]]")
    assert "breaks off" in found
    assert not any(word in found for word in (*wire.words, "[DONE]"))
    with pytest.raises(ClientPayloadError):
        await said(client, wire, "[[fail:drop]]")


@each
async def test_an_answer_cut_in_its_thought_has_said_nothing(client: Client, wire: Wire) -> None:
    found = await said(client, wire, "[[think:let me see]] [[fail:thinking]] [[text:hi]]")
    assert "let me see" in found
    assert not any(word in found for word in (*wire.words, "[DONE]", '"hi"'))


async def test_an_error_ends_a_thought_of_anthropics_before_its_end(client: Client) -> None:
    found = await said(client, WIRES["anthropic"], "[[think:hm]] [[fail:thinking]]")
    assert "content_block_stop" not in found and "overloaded_error" in found


@each
async def test_an_answer_may_break_off_only_once(client: Client, wire: Wire) -> None:
    prompt = "[[fail:cut*1]] [[text:hi]]"
    assert wire.words[0] not in await said(client, wire, prompt)
    assert wire.words[0] in await said(client, wire, prompt)
