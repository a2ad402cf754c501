"""SIGTERM during a turn: it may end, or it is ended; nothing is left either way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters.jail import processes
from tests.gateway_process import Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def below(house: Gateway) -> dict[int, int]:
    """Pid and start time of every process below the gateway."""
    assert house.process is not None
    pids = await asyncio.to_thread(processes.descendants, house.process.pid)
    began = {pid: processes.start_time(pid) for pid in pids}
    return {pid: time for pid, time in began.items() if time is not None}


async def written(house: Gateway, name: str) -> None:
    """Waits until the agent has made that file."""
    async with asyncio.timeout(60):
        while not list((house.data_dir / "workspaces").rglob(name)):
            await asyncio.sleep(0.02)


async def everything_is_gone(house: Gateway, were: dict[int, int]) -> None:
    assert [pid for pid, began in were.items() if processes.start_time(pid) == began] == []
    assert not (house.data_dir / "gateway.json").exists()
    await house.start()
    assert "gateway.recovered" not in {
        each["action"] for each in (await house.operator("GET", "/audit?limit=200")).data
    }
    workspaces = await house.operator("GET", "/workspaces")
    assert [each["locked_by"] for each in workspaces.data] == [None] * len(workspaces.data)
    assert (await house.chat("[[text:again]]")).status == 200


async def test_a_turn_that_ends_soon_is_let_end(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    turn = asyncio.create_task(
        house.chat("[[write:begun.txt=1]] [[shell:sleep 1]] [[text:ended well]]")
    )
    await written(house, "begun.txt")
    were = await below(house)
    assert await house.stop() == 0
    answer = await turn
    assert answer.status == 200, answer.body
    assert answer.body["choices"][0]["message"]["content"] == "ended well"
    await everything_is_gone(house, were)


async def test_a_turn_that_takes_too_long_is_cancelled_and_says_so(house: Gateway) -> None:
    await house.chat("[[text:warm]]")
    turn = asyncio.create_task(house.chat("[[write:half.txt=1]] [[shell:sleep 100]]"))
    await written(house, "half.txt")
    were = await below(house)
    assert await house.stop() == 0
    refused = await turn
    assert (refused.status, refused.code) == (503, "shutting_down")
    await everything_is_gone(house, were)
    tasks = (await house.operator("GET", "/tasks?limit=5")).data
    (cancelled,) = [task for task in tasks if task["status"] == "cancelled"]
    assert cancelled["cause"] == "shutdown"
    task = await house.operator("GET", f"/tasks/{cancelled['task_id']}")
    assert task.data["modified_files"] == ["half.txt"]
