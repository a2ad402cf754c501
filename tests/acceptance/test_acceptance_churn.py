"""Agents that end beside others that start: no turn is lost, nothing is left, nothing aborts."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import aiohttp
import attrs
import pytest

from codara.adapters.jail import marks, processes
from tests.agent_pool import FAKE
from tests.gateway_process import Gateway, gateway
from tests.processes import command_lines, descriptors_of

pytestmark = [pytest.mark.cli, pytest.mark.timeout(600)]

CLIENTS = 32
SHORT_SECONDS, LONG_SECONDS = 3.0, 180.0
PROCESSES = 8
WORKSPACES = 24
SETTINGS = f"""
[orchestrator]
max_concurrency = {CLIENTS}
[accounts]
max_concurrency = {CLIENTS}
"""
A_PROCESS_A_TURN = 'transport = "process"\n'
STAYING = f'transport = "persistent"\nmax_processes = {PROCESSES}\nidle_seconds = 2\n'


@attrs.define
class Load:
    """Clients that ask for turn after turn; `outcomes` counts what they were answered."""

    house: Gateway
    clients: int
    places: int
    """The workspaces of one client, in which it works in turn."""
    outcomes: Counter[str] = attrs.field(factory=Counter)

    async def run(self, seconds: float) -> None:
        """Every client for this long; each ends behind the end of a turn."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._client(client, until) for client in range(self.clients)))

    async def _client(self, client: int, until: float) -> None:
        for number in count():
            if time.monotonic() > until:
                return
            name = f"w{client}-{number % self.places}"
            reply = await self.house.chat("hello", workspace_id=name, client_session_id=name)
            error = reply.body.get("error", {})
            self.outcomes[f"{reply.status} {error.get('message', '')}"] += 1


@pytest.fixture(params=[A_PROCESS_A_TURN, STAYING], ids=["process", "staying"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """A gateway whose agent answers at once, and a user who may do much."""
    async with gateway(tmp_path, binary=FAKE, provider=request.param, settings=SETTINGS) as opened:
        user = {"email": "busy@example.org", "max_concurrency": CLIENTS}
        opened.key = (await opened.operator("POST", "/users", user)).data["api_key"]["raw_key"]
        yield opened


def load_of(house: Gateway) -> Load:
    """As many clients as its agents are made for."""
    if house.provider == STAYING:
        return Load(house, PROCESSES, WORKSPACES // PROCESSES)
    return Load(house, CLIENTS, 1)


def of_gateway(house: Gateway) -> str:
    """The beginning of the marks of this gateway's jails."""
    assert house.process is not None
    pid = house.process.pid
    return f"{marks.PREFIX}{pid}-{processes.start_time(pid)}-"


def bearing(mark: str) -> list[int]:
    """The processes on whose command line the mark is."""
    found = [int(pid) for pid, words in command_lines() if mark.encode() in words]
    return [pid for pid in found if processes.start_time(pid) is not None]


async def none_left(mark: str) -> None:
    """Processes end a moment after their gateway: a bounded look."""
    give_up = time.monotonic() + 20
    while left := bearing(mark):
        assert time.monotonic() < give_up, left
        await asyncio.sleep(0.05)


async def at_rest(house: Gateway, mark: str) -> Counter[str]:
    """The descriptors once no agent is left and no client connected."""
    await none_left(mark)
    await house.http.close()
    house.http = aiohttp.ClientSession()
    await asyncio.sleep(0.5)
    assert house.process is not None
    return descriptors_of(house.process.pid)


async def loaded(house: Gateway, seconds: float) -> None:
    mark, load = of_gateway(house), load_of(house)
    await load_of(house).run(2.0)
    before = await at_rest(house, mark)
    await load.run(seconds)
    print(f"\n{house.provider.split()[2]}: {dict(load.outcomes)}")
    after = await at_rest(house, mark)
    assert set(load.outcomes) == {"200 "}, load.outcomes
    assert after - before == Counter()
    assert await house.stop() == 0
    await none_left(mark)
    assert "Traceback" not in house.output()


async def test_agents_come_and_go_and_no_turn_is_lost(house: Gateway) -> None:
    await loaded(house, SHORT_SECONDS)


@pytest.mark.soak
async def test_agents_come_and_go_for_minutes_and_no_turn_is_lost(house: Gateway) -> None:
    await loaded(house, LONG_SECONDS)


async def _asked(load: Load) -> None:
    with suppress(aiohttp.ClientError, OSError):
        await load.run(60.0)


async def killed_while_agents_start(house: Gateway, deaths: int) -> None:
    """SIGKILL among agents that start; nothing is swept by a gateway that starts after it."""
    for number in range(deaths):
        mark = of_gateway(house)
        asking = asyncio.create_task(_asked(load_of(house)))
        await asyncio.sleep(1.0 + 0.037 * number)
        await house.kill()
        await asking
        await none_left(mark)
        await house.start()


async def test_a_gateway_that_is_killed_leaves_no_agent_that_was_starting(house: Gateway) -> None:
    await killed_while_agents_start(house, 3)


@pytest.mark.soak
async def test_no_agent_is_left_however_often_the_gateway_is_killed(house: Gateway) -> None:
    await killed_while_agents_start(house, 30)
