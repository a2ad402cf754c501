"""Who gets a connection: idle ones make room, and operators always get in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest
from aiohttp import web
from http_with_fakes import a_request, services

from codara.errors import Overloaded
from codara.http import server
from codara.http.app import build
from codara.http.connections import Connections, DoorBounds, Place, network_of
from tests.fakes.turns import FakeTurns, ScriptedTurn
from tests.fakes.users import KEY

HEADERS = {"Authorization": f"Bearer {KEY}"}
CHAT = "/v1/chat/completions"


@attrs.define(eq=False)
class Socket:
    """A connection that remembers whether it was closed."""

    closed: bool = False

    def force_close(self) -> None:
        self.closed = True


def connections(*, total: int = 4, each: int = 2, reserve: int = 4) -> Connections:
    bounds = DoorBounds(total=total, per_address=each, reserve=reserve)
    return Connections(bounds, trusted=("10.0.0.0/8",))


def entered(house: Connections, address: str) -> Place:
    place = house.enter(Socket(), address)
    assert place is not None
    return place


def at_work(house: Connections, address: str) -> Place:
    place = entered(house, address)
    house.begin(place)
    return place


def is_closed(place: Place) -> bool:
    assert isinstance(place.connection, Socket)
    return place.connection.closed


def test_the_longest_idle_connection_of_an_address_makes_room_for_its_next_one() -> None:
    house = connections()
    other = entered(house, "1.1.1.1")
    first, second = entered(house, "2.2.2.2"), entered(house, "2.2.2.2")
    third = entered(house, "2.2.2.2")
    assert [is_closed(place) for place in (other, first, second, third)] == [
        False,
        True,
        False,
        False,
    ]


def test_a_connection_that_was_used_lately_is_not_the_longest_idle_one() -> None:
    house = connections()
    first, second = entered(house, "2.2.2.2"), entered(house, "2.2.2.2")
    house.begin(first)
    house.end(first)
    entered(house, "2.2.2.2")
    assert (is_closed(first), is_closed(second)) == (False, True)


def test_when_all_places_are_taken_the_address_with_most_idle_connections_gives_one_up() -> None:
    house = connections(total=4, each=3)
    few = entered(house, "1.1.1.1")
    many = [entered(house, "2.2.2.2") for _ in range(3)]
    entered(house, "3.3.3.3")
    assert not is_closed(few)
    assert [is_closed(place) for place in many] == [True, False, False]


def test_a_request_under_way_is_never_closed_for_another_connection() -> None:
    house = connections()
    kept = [at_work(house, "2.2.2.2"), at_work(house, "2.2.2.2")]
    assert entered(house, "2.2.2.2").reserved
    assert not any(is_closed(place) for place in kept)


def test_in_a_reserved_place_only_operators_and_health_checks_are_served() -> None:
    house = connections(total=1)
    at_work(house, "1.1.1.1")
    place = entered(house, "2.2.2.2")
    for path in ("/healthz", "/readyz", "/management/v1/auth/token"):
        house.check(place, path)
    with pytest.raises(Overloaded):
        house.check(place, "/v1/models")


def test_one_address_cannot_take_all_reserved_places() -> None:
    house = connections(total=1, reserve=8)
    at_work(house, "1.1.1.1")
    at_work(house, "2.2.2.2")
    at_work(house, "2.2.2.2")
    assert house.enter(Socket(), "2.2.2.2") is None
    assert entered(house, "3.3.3.3").reserved


def test_a_place_that_was_left_is_free() -> None:
    house = connections(total=1)
    place = at_work(house, "1.1.1.1")
    house.leave(place)
    house.leave(place)
    assert not entered(house, "2.2.2.2").reserved
    assert entered(house, "3.3.3.3").reserved is False


def test_a_connection_that_was_closed_for_another_one_takes_no_place_by_a_late_answer() -> None:
    house = connections(total=1)
    gone = entered(house, "1.1.1.1")
    entered(house, "2.2.2.2")
    house.end(gone)
    house.leave(gone)
    assert not at_work(house, "3.3.3.3").reserved
    assert entered(house, "4.4.4.4").reserved


def test_a_trusted_proxy_is_not_one_client() -> None:
    house = connections(total=4, each=2)
    proxied = [at_work(house, "10.0.0.1") for _ in range(4)]
    assert not any(place.reserved for place in proxied)


def test_behind_a_trusted_proxy_the_requests_of_one_client_are_bounded() -> None:
    house = connections(total=10, each=2)
    place = at_work(house, "10.0.0.1")
    with house.asking(place, "5.5.5.5"), house.asking(place, "5.5.5.5"):
        with pytest.raises(Overloaded), house.asking(place, "5.5.5.5"):
            pass
        with house.asking(place, "6.6.6.6"):
            pass
    with house.asking(place, "5.5.5.5"):
        pass


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_of_64_bits_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


@asynccontextmanager
async def served(
    turns: FakeTurns, *, trusted: tuple[str, ...] = (), **bounds: int
) -> AsyncIterator[tuple[str, int]]:
    """Doors with such bounds; gives their host and port."""
    serving = server.runner(
        build(services(turns=turns)),
        shutdown_timeout=1.0,
        bounds=DoorBounds(**bounds),
        trusted=trusted,
    )
    await serving.setup()
    try:
        await web.TCPSite(serving, "127.0.0.1", 0).start()
        yield serving.addresses[0]
    finally:
        await serving.cleanup()


async def status_of(
    address: tuple[str, int], path: str, **headers: str
) -> tuple[int, dict[str, str]]:
    """One request on a connection of its own."""
    host, port = address
    async with (
        aiohttp.ClientSession(f"http://{host}:{port}") as http,
        http.get(path, headers=headers) as answer,
    ):
        return answer.status, {name.lower(): text for name, text in answer.headers.items()}


async def test_health_is_told_and_a_user_served_whatever_number_of_sockets_say_nothing() -> None:
    async with served(FakeTurns(), total=20, per_address=20) as address:
        idle = [await asyncio.open_connection(*address) for _ in range(200)]
        assert (await status_of(address, "/healthz"))[0] == 200
        assert (await status_of(address, "/v1/models", **HEADERS))[0] == 200
        for _, writer in idle:
            writer.close()


async def test_a_socket_that_lost_its_place_is_closed() -> None:
    async with served(FakeTurns(), total=2, per_address=2) as address:
        reader, writer = await asyncio.open_connection(*address)
        others = [await asyncio.open_connection(*address) for _ in range(2)]
        assert await asyncio.wait_for(reader.read(), 5) == b""
        for _, other in [(reader, writer), *others]:
            other.close()


@pytest.mark.parametrize("trusted", [(), ("127.0.0.0/8",)])
async def test_while_every_connection_is_at_work_operators_get_in_and_others_are_told_to_wait(
    trusted: tuple[str, ...],
) -> None:
    turn = ScriptedTurn(hold=True)
    async with served(FakeTurns(turn), trusted=trusted, total=2, per_address=2) as address:
        host, port = address
        async with aiohttp.ClientSession(f"http://{host}:{port}") as http:
            asking = [
                asyncio.create_task(http.post(CHAT, json=a_request(stream=True), headers=HEADERS))
                for _ in range(2)
            ]
            streams = await asyncio.wait_for(asyncio.gather(*asking), 5)
            assert (await status_of(address, "/healthz"))[0] == 200
            status, headers = await status_of(address, "/v1/models", **HEADERS)
            assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
            assert headers["x-request-id"].startswith("req_")
            for stream in streams:
                stream.close()


async def test_a_client_behind_a_trusted_proxy_is_bounded_by_its_requests() -> None:
    turn = ScriptedTurn(hold=True)
    trusted = ("127.0.0.1",)
    async with served(FakeTurns(turn), trusted=trusted, total=20, per_address=1) as address:
        host, port = address
        mine = {**HEADERS, "X-Forwarded-For": "5.5.5.5"}
        async with (
            aiohttp.ClientSession(f"http://{host}:{port}") as http,
            http.post(CHAT, json=a_request(stream=True), headers=mine),
        ):
            assert (await status_of(address, "/v1/models", **mine))[0] == 503
            others = {**HEADERS, "X-Forwarded-For": "6.6.6.6"}
            assert (await status_of(address, "/v1/models", **others))[0] == 200


async def test_a_request_whose_head_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    async with served(FakeTurns()) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nA-Header: with")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_connection_whose_request_came_whole_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)
    async with served(FakeTurns()) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readuntil(b"}")
            await asyncio.sleep(0.2)
        writer.close()
