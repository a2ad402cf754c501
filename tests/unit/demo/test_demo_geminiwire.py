"""The scripted model in Google's words."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession
from aiohttp.test_utils import TestServer

from codara.demo.geminiwire import read
from codara.demo.modelserver import ModelServer

TOOLS = ({"functionDeclarations": [{"name": "write_file"}, {"name": "run_shell_command"}]},)


def said(*texts: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text} for text in texts]}


def answered(name: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {}}}]}


@pytest.fixture
async def base() -> AsyncIterator[str]:
    async with TestServer(ModelServer().application()) as server:
        yield f"http://{server.host}:{server.port}/v1beta/models/gemini-x"


async def ask(base: str, *contents: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    body = {"contents": contents, "tools": TOOLS}
    async with (
        ClientSession() as session,
        session.post(f"{base}:streamGenerateContent?alt=sse", json=body) as answer,
    ):
        text = await answer.text()
    if answer.status != 200:
        return answer.status, [json.loads(text)["error"]]
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line]
    return answer.status, [json.loads(line)["candidates"][0] for line in lines]


def test_what_the_cli_adds_is_no_prompt_and_results_are_counted() -> None:
    contents = [
        said("<session_context>\nDate\n</session_context>"),
        said("one"),
        said("two"),
        said("\n--- Content from referenced files ---"),
        said("\n--- End of content ---"),
        answered("write_file"),
        answered("replace"),
    ]
    instructions = {"parts": [{"text": "Be brief"}]}
    asked = read({"contents": contents, "systemInstruction": instructions}, "gemini-x")
    assert asked.conversation.prompts == ("one", "two")
    assert asked.conversation.tools_done == 2
    assert asked.conversation.instructions == ("Be brief",)


async def test_an_answer_ends_with_its_reason(base: str) -> None:
    status, chunks = await ask(base, said("[[text:one two three four]]"))
    texts = "".join(chunk["content"]["parts"][0]["text"] for chunk in chunks)
    assert (status, texts) == (200, "one two three four")
    assert [chunk.get("finishReason") for chunk in chunks][-1] == "STOP"


async def test_a_step_is_a_call_of_a_tool_that_was_offered(base: str) -> None:
    _, chunks = await ask(base, said("[[write:a.txt=x]] [[edit:a.txt=x=>y]]"))
    call = chunks[0]["content"]["parts"][0]["functionCall"]
    assert (call["name"], call["args"]) == ("write_file", {"file_path": "a.txt", "content": "x"})
    prompt = said("[[write:a.txt=x]] [[edit:a.txt=x=>y]]")
    _, chunks = await ask(base, prompt, answered("write_file"))
    assert chunks[0]["content"]["parts"][0]["functionCall"]["name"] == "run_shell_command"


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        ("400", 400, "INVALID_ARGUMENT"),
        ("401", 401, "UNAUTHENTICATED"),
        ("429", 429, "RESOURCE_EXHAUSTED"),
        ("429quota", 429, "RESOURCE_EXHAUSTED"),
        ("500", 500, "INTERNAL"),
        ("503", 503, "UNAVAILABLE"),
        ("context", 400, "INVALID_ARGUMENT"),
        ("nomodel", 404, "NOT_FOUND"),
    ],
)
async def test_a_refusal_has_googles_words(base: str, kind: str, status: int, name: str) -> None:
    answer, (error,) = await ask(base, said(f"[[fail:{kind}]]"))
    assert (answer, error["code"], error["status"]) == (status, status, name)


async def test_a_cut_answer_ends_without_a_reason_and_a_dropped_one_does_not_end(
    base: str,
) -> None:
    _, chunks = await ask(base, said("[[fail:cut]]"))
    assert not any("finishReason" in chunk for chunk in chunks)
    with pytest.raises(ClientPayloadError):
        await ask(base, said("[[fail:drop]]"))
