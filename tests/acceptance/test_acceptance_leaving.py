"""Somebody leaves in the middle of a turn: its client, or the folder it works in."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from codara.adapters.jail import processes
from tests.gateway_process import ACCOUNT, Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

NAP = "86.4"
"""How many seconds the tool sleeps, which tells it from those of other tests."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One turn at a time: the next one shows that everything was given back."""
    settings = "[orchestrator]\ndisconnect_grace_seconds = 0.2\nmax_concurrency = 1\n"
    settings += "[accounts]\nmax_concurrency = 1"
    async with gateway(tmp_path, settings=settings) as opened:
        yield opened


async def raw_request(house: Gateway, text: str) -> asyncio.StreamWriter:
    """A request by bare HTTP, as a client sends it that will not wait for the answer."""
    server = urlsplit(house.address)
    _, writer = await asyncio.open_connection(server.hostname, server.port)
    message = {"role": "user", "content": text}
    body = json.dumps({"model": "codex/gpt-5-codex", "messages": [message]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.netloc}\r\n"
        f"Authorization: Bearer {house.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return writer


async def napping(house: Gateway) -> list[int]:
    """The tools below the gateway that sleep."""
    assert house.process is not None
    below = await asyncio.to_thread(processes.descendants, house.process.pid)
    return [pid for pid in below if _command(pid) == ["sleep", NAP]]


def _command(pid: int) -> list[str]:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode(errors="replace") for word in words if word]


async def until_it_naps(house: Gateway) -> None:
    async with asyncio.timeout(60):
        while not await napping(house):
            await asyncio.sleep(0.02)


async def last_task(house: Gateway, status: str) -> dict[str, object]:
    """The newest task, once it has that status."""
    async with asyncio.timeout(60):
        while True:
            (found,) = (await house.operator("GET", "/tasks?limit=1")).data
            if found["status"] == status:
                whole: dict[str, object] = (
                    await house.operator("GET", f"/tasks/{found['task_id']}")
                ).data
                return whole
            await asyncio.sleep(0.02)


async def nothing_is_held(house: Gateway) -> None:
    assert await napping(house) == []
    workspaces = await house.operator("GET", "/workspaces")
    assert [each["locked_by"] for each in workspaces.data] == [None]
    assert (await house.operator("GET", f"/accounts/{ACCOUNT}")).data["status"] == "ready"


async def test_a_client_that_leaves_takes_its_turn_with_it(house: Gateway) -> None:
    first = await house.chat("[[text:warm]]")
    assert first.status == 200, first.body
    client = await raw_request(house, f"[[write:half.txt=1]] [[shell:sleep {NAP}]]")
    await until_it_naps(house)
    client.close()
    task = await last_task(house, "cancelled")
    assert task["cause"] == "client_gone"
    assert task["modified_files"] == ["half.txt"]
    await nothing_is_held(house)
    after = await house.chat("[[history]]")
    assert after.status == 200, after.body
    assert after.body["codara"]["session_id"] == first.body["codara"]["session_id"]
    assert "[[text:warm]]" in after.body["choices"][0]["message"]["content"]


async def test_a_folder_removed_under_the_agent_is_named_and_made_anew(house: Gateway) -> None:
    await house.chat("[[write:kept.txt=1]]")
    running = asyncio.create_task(house.chat("[[write:half.txt=1]] [[sleep:2]] [[text:done]]"))
    async with asyncio.timeout(60):
        while not (found := list((house.data_dir / "workspaces").rglob("half.txt"))):
            await asyncio.sleep(0.02)
    shutil.rmtree(found[0].parent)
    failed = await running
    assert (failed.status, failed.code) == (502, "agent_failed"), failed.body
    assert failed.body["codara"]["cause"] == "workspace_gone"
    assert "folder was removed" in failed.body["error"]["message"]
    await nothing_is_held(house)
    after = await house.chat("[[write:new.txt=1]]")
    assert after.status == 200, after.body
    assert after.body["modified_files"] == ["new.txt"]
    assert [path.name for path in found[0].parent.iterdir()] == ["new.txt"]
