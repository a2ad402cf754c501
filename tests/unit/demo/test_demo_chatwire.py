"""Chat completions as the scripted model server reads and answers them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from codara.demo import chatwire
from codara.demo.modelserver import ModelServer

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("write", "edit", "bash")]


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(ModelServer().application())) as client:
        yield client


async def test_an_answer_comes_in_chunks_and_ends_with_its_usage(
    client: TestClient[Any, Any],
) -> None:
    chunks = await _ask(client, "[[think:hm]] [[text:one two three four]]")
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "one two three four"
    assert [d["reasoning_content"] for d in deltas if "reasoning_content" in d] == ["hm"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["prompt_tokens"] == 120


@pytest.mark.parametrize(
    ("step", "name"), [("write:a.txt", "write"), ("edit:a.txt=b=>c", "edit"), ("shell:ls", "bash")]
)
async def test_a_step_calls_the_agents_own_tool(
    client: TestClient[Any, Any], step: str, name: str
) -> None:
    chunks = await _ask(client, f"[[{step}]]")
    calls = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks[:-1]]
    pieces = [call[0]["function"] for call in calls if call]
    assert pieces[0]["name"] == name
    assert json.loads(pieces[1]["arguments"])
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("401", 401, "invalid_api_key"),
        ("429", 429, "rate_limit_exceeded"),
        ("429quota", 429, "insufficient_quota"),
        ("500", 500, "internal_error"),
        ("503", 503, "server_is_overloaded"),
        ("context", 400, "context_length_exceeded"),
        ("nomodel", 404, "model_not_found"),
    ],
)
async def test_a_refusal_has_its_status_and_code(
    client: TestClient[Any, Any], kind: str, status: int, code: str
) -> None:
    answer = await client.post("/v1/chat/completions", json=_body(f"[[fail:{kind}]]"))
    assert answer.status == status
    assert (await answer.json())["error"]["code"] == code
    assert ("Retry-After" in answer.headers) == (kind == "429")


async def test_a_request_without_tools_gets_a_note(client: TestClient[Any, Any]) -> None:
    chunks = await _ask(client, "[[write:a.txt]]", tools=[])
    assert chunks[1]["choices"][0]["delta"]["content"] == chatwire.NOTE


def test_results_since_the_last_prompt_are_counted_and_pictures_named() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "first"},
        {"role": "tool", "content": "done"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
        {"role": "tool", "content": "done"},
    ]
    read = chatwire.read({"model": "m", "messages": messages}, "key").conversation
    assert read.instructions == ("be kind",)
    assert read.prompts == ("first", "look\n[image/png]")
    assert read.tools_done == 1


async def _ask(
    client: TestClient[Any, Any], prompt: str, tools: list[Any] = TOOLS
) -> list[dict[str, Any]]:
    answer = await client.post("/v1/chat/completions", json=_body(prompt, tools))
    events = (await answer.text()).strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]


def _body(prompt: str, tools: list[Any] = TOOLS) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "tools": tools}
