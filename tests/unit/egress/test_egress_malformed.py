"""Whatever a jail sends to its broker and its proxy: the gateway's log hears nothing of it."""

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from codara.adapters.egress import forwarding
from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import BROKER_PORT, PROXY_PORT, Doors
from codara.adapters.egress.lending import Lending
from codara.adapters.egress.outgoing import outgoing_session
from codara.adapters.jail.network import listen
from tests.fakes.journal import Journal
from tests.malformed import REQUESTS

TOKEN = "the-token-of-this-jail"


@pytest.fixture
async def doors():
    """Ports of a broker and of its proxy, and their journal."""
    session, journal = outgoing_session(), Journal()
    ports = (BROKER_PORT, PROXY_PORT)
    broker = Broker(
        "jail_1",
        Doors(token=TOKEN, ports=ports),
        journal=journal,
        session=session,
        allow_hosts=("*.example.com",),
    )
    broker.lend(Lending(base_url="http://127.0.0.1:9/v1", secret="sk-very-secret-key"))
    listeners = {port: listen(0) for port in ports}
    reached = {port: listener.getsockname()[1] for port, listener in listeners.items()}
    await broker.serve(listeners)
    yield reached, journal
    await broker.close()
    await session.close()


async def answered(port, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await asyncio.sleep(0.05)
    return int(head.split()[1])


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("token", ["", TOKEN])
async def test_a_malformed_request_to_the_broker_leaves_no_line_in_the_log(
    doors, sent, token, caplog
):
    ports, _ = doors
    status = await answered(
        ports[BROKER_PORT],
        sent.replace(b"Host: x\r\n", f"Host: x\r\nx-api-key: {token}\r\n".encode(), 1),
    )
    assert 400 <= status < 500 or status == 502
    assert caplog.text == ""


@pytest.mark.parametrize(
    "target",
    [
        "x:99999999999999999999",
        "x:-5",
        "x:0",
        "x:many",
        "[::1:443",
        f"{'a' * 70}.example.com:443",
        ".example.com:443",
        "\xff\xfe:443",
    ],
)
async def test_a_malformed_request_to_the_proxy_leaves_no_line_in_the_log(doors, target, caplog):
    ports, journal = doors
    sent = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode("latin-1")
    assert await answered(ports[PROXY_PORT], sent) in {400, 403}
    assert caplog.text == ""
    assert all(0 < port < 65536 for _, _, port in journal.denied)


@pytest.mark.parametrize("port", ["99999999999999999999", "65536", "9" * 5000, "many", "²"])
async def test_the_port_of_a_refused_connection_is_0_if_it_is_none(port):
    request = make_mocked_request("CONNECT", f"x:{port}")
    assert forwarding.foreign_target(request) == ("x", 0)


async def test_a_refused_connection_that_cannot_be_recorded_is_one_line_in_the_log(doors, caplog):
    ports, journal = doors
    journal.egress_denied = None
    assert (
        await answered(ports[PROXY_PORT], b"CONNECT other.example.org:443 HTTP/1.1\r\n\r\n") == 403
    )
    assert "a refused connection of jail_1 is not in the log" in caplog.text
    assert "Traceback" not in caplog.text
