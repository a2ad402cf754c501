"""Ways out are opened before their jails are there, and nothing of them is left if none comes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import BROKER_PORT, PROXY_PORT
from codara.adapters.egress.ways import WaysOut
from codara.errors import ShuttingDown
from tests.fakes.journal import Journal


@pytest.fixture
async def inside() -> AsyncIterator[WaysOut]:
    made = WaysOut(Journal())
    yield made
    await made.close()


@pytest.fixture
async def on_host() -> AsyncIterator[WaysOut]:
    """For jails that share the host's network."""
    made = WaysOut(Journal(), walls=False)
    yield made
    await made.close()


def sockets(broker: Broker) -> list[int]:
    return [listener.fileno() for listener in broker.doors.listeners.values()]


async def test_each_has_a_token_of_its_own(inside: WaysOut) -> None:
    one, two = inside.open("jail_1"), inside.open("jail_2")
    assert one.doors.token != two.doors.token
    assert one.ports == two.ports == (BROKER_PORT, PROXY_PORT)
    assert sockets(one) == []


async def test_programs_are_told_of_the_proxy(inside: WaysOut) -> None:
    assert inside.open("jail_1").environment()["https_proxy"] == "http://127.0.0.1:3128"


async def test_without_a_network_there_is_only_the_broker() -> None:
    ways = WaysOut(Journal(), network="none")
    broker = ways.open("jail_1")
    assert (broker.ports, broker.environment()) == ((BROKER_PORT,), {})
    await ways.close()


async def test_the_gateways_hosts_and_the_jails_own_are_allowed() -> None:
    ways = WaysOut(Journal(), allow_hosts=("a.example",))
    assert ways.open("jail_1", ("b.example:8443",)).allow_hosts == ("a.example", "b.example:8443")
    assert ways.open("jail_2").allow_hosts == ("a.example",)
    await ways.close()


async def test_one_that_no_jail_was_started_with_gives_its_sockets_back(on_host: WaysOut) -> None:
    broker = on_host.open("jail_1")
    assert len(sockets(broker)) == 2
    assert -1 not in sockets(broker)
    await broker.close()
    await broker.close()
    assert sockets(broker) == [-1, -1]


async def test_sockets_that_are_there_already_are_served(on_host: WaysOut) -> None:
    broker = on_host.open("jail_1")
    await broker.serve({})
    headers = {"Authorization": f"Bearer {broker.doors.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as agent,
        agent.get(broker.doors.endpoint()) as answer,
    ):
        assert answer.status == 503
    await broker.close()
    assert sockets(broker) == [-1, -1]


async def test_one_that_is_served_after_its_end_answers_nobody(on_host: WaysOut) -> None:
    broker = on_host.open("jail_1")
    await broker.close()
    await broker.serve({})
    assert sockets(broker) == [-1, -1]


async def test_once_closed_none_is_opened(on_host: WaysOut) -> None:
    await on_host.close()
    with pytest.raises(ShuttingDown):
        on_host.open("jail_1")
