"""kill -9 of the gateway at any moment of a turn: afterwards nothing runs, nothing is held."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.gateway_process import Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(900)]

LONGEST_TURN = 2.5
"""Seconds; the moments of death are spread over it."""

WORK = "[[write:first.txt=1]] [[shell:sleep 1.37]] [[write:second.txt=2]] [[text:done]]"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def die_after(house: Gateway, seconds: float, number: int) -> int:
    """Kills the gateway `seconds` into a turn; the position it had acknowledged by then."""
    turn = asyncio.create_task(_ask(house, f"{WORK} {number}"))
    await asyncio.sleep(seconds)
    acknowledged = await house.operator("GET", "/audit?limit=1")
    await house.kill()
    await turn
    return int(acknowledged.data[0]["position"])


async def _ask(house: Gateway, text: str) -> None:
    with suppress(aiohttp.ClientError):
        await house.chat(text)


async def everything_is_in_order(house: Gateway, acknowledged: int) -> None:
    """What has to hold after each restart."""
    tasks = await house.operator("GET", "/tasks?limit=200")
    assert {task["status"] for task in tasks.data} <= {"completed", "failed"}
    workspaces = await house.operator("GET", "/workspaces")
    assert [each["locked_by"] for each in workspaces.data] == [None] * len(workspaces.data)
    sessions = await house.operator("GET", "/sessions")
    assert {each["status"] for each in sessions.data} <= {"idle", "dirty"}
    positions = await house.operator("GET", "/audit?limit=1")
    assert positions.data[0]["position"] >= acknowledged
    await house.learnt()
    assert processes_of(house) == []


def processes_of(house: Gateway) -> list[str]:
    """Command lines that name this gateway's workspaces or the agent's long sleep."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            cwd = str((entry / "cwd").readlink())
            if cwd.startswith(str(house.data_dir)) or "sleep 1.37" in words:
                found.append(words)
    return found


async def survive(house: Gateway, deaths: int) -> None:
    for number in range(deaths):
        moment = LONGEST_TURN * (number + 0.5) / deaths
        acknowledged = await die_after(house, moment, number)
        await house.start()
        await everything_is_in_order(house, acknowledged)
        after = await house.chat(f"[[text:alive {number}]]")
        assert after.status == 200, after.body
        assert after.body["choices"][0]["message"]["content"] == f"alive {number}"
    tasks = await house.operator("GET", "/tasks?limit=200")
    assert "gateway_lost" in {task["cause"] for task in tasks.data}


async def test_deaths_in_the_middle_of_turns(house: Gateway) -> None:
    """Half a second apart: one or two in each step of a turn."""
    await house.chat("[[text:warm]]")
    await survive(house, 5)


@pytest.mark.soak
async def test_fifty_deaths_in_the_middle_of_turns(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    await survive(house, 50)


async def test_the_partial_diff_of_a_killed_turn_is_recorded(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    turn = asyncio.create_task(_ask(house, "[[write:half.txt=1]] [[shell:sleep 30]]"))
    folder = next((house.data_dir / "workspaces").glob("usr_*"))
    async with asyncio.timeout(60):
        while not any(half.stat().st_size for half in folder.rglob("half.txt")):
            await asyncio.sleep(0.02)
    await house.kill()
    await turn
    await house.start()
    tasks = await house.operator("GET", "/tasks?limit=1")
    task = await house.operator("GET", f"/tasks/{tasks.data[0]['task_id']}")
    assert (task.data["status"], task.data["cause"]) == ("failed", "gateway_lost")
    assert task.data["modified_files"] == ["half.txt"]
    assert "+1" in task.data["diff"]
