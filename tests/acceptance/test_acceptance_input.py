"""Pictures and files from the official client to the real CLI in the jail."""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from codara.runtimes import PROVIDERS
from tests.gateway_process import Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


def a_png(side: int = 16) -> bytes:
    """A red square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + b"\xff\0\0" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def with_picture(text: str) -> list[dict[str, Any]]:
    link = f"data:image/png;base64,{base64.b64encode(a_png()).decode()}"
    picture = {"type": "image_url", "image_url": {"url": link}}
    return [{"role": "user", "content": [{"type": "text", "text": text}, picture]}]


async def uploaded(house: Gateway, text: str, name: str, data: bytes) -> tuple[int, Any]:
    form = aiohttp.FormData()
    body = {"model": "codex/gpt-5-codex", "messages": [{"role": "user", "content": text}]}
    form.add_field("payload", json.dumps(body))
    form.add_field("files", data, filename=name)
    headers = {"Authorization": f"Bearer {house.key}"}
    address = f"{house.address}/v1/chat/completions"
    async with house.http.post(address, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def unanswered(house: Gateway, text: str, name: str, data: bytes) -> None:
    with suppress(aiohttp.ClientError):
        await uploaded(house, text, name, data)


def folder_of(house: Gateway, answer: Any) -> Path:
    [user] = (house.data_dir / "workspaces").iterdir()
    return user / str(answer["codara"]["workspace"])


async def test_the_model_is_shown_a_picture_once(house: Gateway) -> None:
    client = house.openai()
    first = await client.chat.completions.create(
        model="codex/gpt-5-codex",
        messages=with_picture("[[text:a red square]]"),  # type: ignore[arg-type]
        extra_body={"client_session_id": "looking"},
    )
    await client.close()
    assert first.choices[0].message.content == "a red square"
    assert house.models.requests[-1].conversation.images == ("image/png",)
    history = [
        *with_picture("[[text:a red square]]"),
        {"role": "assistant", "content": "a red square"},
        {"role": "user", "content": "[[text:again]]"},
    ]
    reply = await house.chat("", messages=history, client_session_id="looking")
    assert reply.body["codara"]["thread"] == "resumed"
    assert house.models.requests[-1].conversation.images == ("image/png",)


async def test_a_process_of_its_own_is_shown_a_picture_too(tmp_path: Path) -> None:
    async with gateway(tmp_path, provider='transport = "process"') as house:
        reply = await house.chat("", messages=with_picture("[[text:seen]]"))
        assert (reply.status, reply.body["choices"][0]["message"]["content"]) == (200, "seen")
        assert reply.body["modified_files"] == []
        assert house.models.requests[-1].conversation.images == ("image/png",)
        assert not list((house.data_dir / "homes").rglob(".codara/pictures/*"))


async def test_an_uploaded_file_can_be_read_and_leaves_no_trace(house: Gateway) -> None:
    copy = "cp .codara/uploads/*/notes.txt copy.txt && git init -q . && git add -A"
    text = f"[[shell:{copy}]] [[shell:git ls-files > seen.txt]] [[text:read]]"
    status, body = await uploaded(house, text, "notes.txt", b"what was uploaded\n")
    assert status == 200
    assert body["modified_files"] == ["copy.txt", "seen.txt"]
    folder = folder_of(house, body)
    assert (folder / "copy.txt").read_text() == "what was uploaded\n"
    assert (folder / "seen.txt").read_text() == "copy.txt\n"
    assert not (folder / ".codara").exists()
    assert body["codara"]["task_id"] in house.models.requests[-1].conversation.prompts[-1]


async def test_a_file_uploaded_twice_is_gone_each_time(house: Gateway) -> None:
    for name in ("one.txt", "two.txt"):
        text = "[[shell:ls .codara/uploads/*/ > listed.txt]] [[text:done]]"
        status, body = await uploaded(house, text, name, b"x")
        assert status == 200
        assert (folder_of(house, body) / "listed.txt").read_text() == f"{name}\n"


async def test_what_an_agent_makes_of_an_upload_shows_and_the_upload_does_not(
    house: Gateway,
) -> None:
    text = "[[shell:echo more >> $(ls .codara/uploads/*/notes.txt)]] [[write:own.txt]] [[text:ok]]"
    status, body = await uploaded(house, text, "notes.txt", b"what was uploaded\n")
    assert status == 200
    assert body["modified_files"] == ["own.txt"]
    assert "uploaded" not in body["diff"]
    assert not (folder_of(house, body) / ".codara").exists()


async def test_a_file_over_the_limit_reaches_no_workspace(tmp_path: Path) -> None:
    async with gateway(tmp_path, settings="[workspace]\nmax_file_bytes = 1000\n") as house:
        status, body = await uploaded(house, "[[text:no]]", "big.bin", bytes(1001))
        assert (status, body["error"]["code"]) == (413, "body_too_large")
        assert not list((house.data_dir / "workspaces").rglob("big.bin"))
        assert not house.models.requests
        status, _ = await uploaded(house, "[[text:yes]]", "small.bin", bytes(1000))
        assert status == 200


async def test_the_uploads_of_a_gateway_that_died_are_gone_after_its_next_start(
    house: Gateway,
) -> None:
    text = "[[write:half.txt=1]] [[shell:sleep 30]]"
    turn = asyncio.create_task(unanswered(house, text, "notes.txt", b"x"))
    workspaces = house.data_dir / "workspaces"
    async with asyncio.timeout(60):
        while not list(workspaces.rglob("half.txt")):
            await asyncio.sleep(0.02)
    [left] = workspaces.rglob(".codara/uploads/*/notes.txt")
    await house.kill()
    await turn
    assert left.exists()
    await house.start()
    assert not list(workspaces.rglob(".codara"))
    tasks = await house.operator("GET", "/tasks?limit=1")
    task = await house.operator("GET", f"/tasks/{tasks.data[0]['task_id']}")
    assert (task.data["cause"], task.data["modified_files"]) == ("gateway_lost", ["half.txt"])


async def test_an_uploaded_picture_is_shown_as_well(house: Gateway) -> None:
    status, _ = await uploaded(house, "[[text:seen]]", "square.png", a_png())
    assert status == 200
    assert house.models.requests[-1].conversation.images == ("image/png",)


async def test_thoughts_and_tools_are_told_to_those_who_ask(house: Gateway) -> None:
    client = house.openai()
    stream = await client.chat.completions.create(
        model="codex/gpt-5-codex",
        messages=[{"role": "user", "content": "[[think:I should look]] [[shell:ls]] [[text:ok]]"}],
        stream=True,
        extra_body={"codara_reasoning": True, "codara_events": True},
    )
    chunks = [chunk.model_dump() async for chunk in stream]
    await client.close()
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    told = [chunk["codara_event"] for chunk in chunks if "codara_event" in chunk]
    assert "I should look" in "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert "".join(delta.get("content") or "" for delta in deltas) == "ok"
    assert [each["type"] for each in told] == ["tool_started", "tool_finished"]


async def test_the_agents_own_token_counts_are_in_the_task(house: Gateway) -> None:
    reply = await house.chat("[[text:counted]]")
    task = await house.operator("GET", f"/tasks/{reply.body['codara']['task_id']}")
    usage = task.data["usage"]
    assert usage["raw"]
    assert usage["input"] == reply.body["usage"]["prompt_tokens"]


async def test_every_agent_that_is_served_lists_its_models(house: Gateway) -> None:
    listed = (await house.user("GET", "/v1/models?all=true")).body["data"]
    owners = {model["owned_by"] for model in listed}
    names = {model["id"] for model in listed}
    assert owners == set(PROVIDERS)
    assert {f"uag-{owner}" for owner in owners} <= names
    mine = await house.user("GET", "/v1/user/providers/models")
    assert mine.status == 200
    assert not house.models.paths
