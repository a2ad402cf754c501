import asyncio

import pytest

from codara.adapters.egress import proxy
from codara.adapters.egress.proxy import Proxy, allows, is_public


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "EXAMPLE.com.", 80, True),
        ("example.com", "example.com", 22, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("example.com", "sub.example.com", 443, False),
        ("*.example.com", "sub.example.com", 443, True),
        ("*.example.com", "evilexample.com", 443, False),
        ("*.example.com", "example.com", 443, False),
    ],
)
def test_a_host_is_allowed_by_name_and_port(entry, host, port, allowed):
    assert allows([entry], host, port) is allowed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "224.0.0.1",
    ],
)
def test_addresses_that_are_not_public_are_known(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.fixture
async def far():
    """A server that says what it was sent."""

    async def echo(reader, writer):
        writer.write(b"heard " + await reader.read(200))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def ask():
    refused, let_out, servers = [], [], []

    async def send(head, *allow):
        made = Proxy(
            allow,
            let_out=lambda host, port: let_out.append((host, port)),
            refuse=lambda host, port: refused.append((host, port)),
        )
        server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
        servers.append((made, server))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(head)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answer

    send.refused, send.let_out = refused, let_out
    yield send
    for made, server in servers:
        server.close()
        await made.close()


async def test_a_host_off_the_list_is_refused_at_once(ask):
    answer = await ask(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "good.example")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert ask.refused == [("evil.example", 443)]


async def test_a_listed_name_that_leads_to_the_loopback_is_refused(ask, far):
    head = f"CONNECT localhost:{far} HTTP/1.1\r\n\r\n".encode()
    answer = await ask(head, f"localhost:{far}")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert ask.let_out == []


async def test_nonsense_is_a_bad_request(ask):
    assert (await ask(b"hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert (await ask(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_tunnel_carries_both_ways(ask, far, monkeypatch):
    monkeypatch.setattr(proxy, "is_public", lambda address: True)
    head = f"CONNECT localhost:{far} HTTP/1.1\r\n\r\nhello".encode()
    answer = await ask(head, f"localhost:{far}")
    assert answer.endswith(b"heard hello")
    assert ask.let_out == [("localhost", far)]


async def test_plain_http_is_sent_on_in_its_usual_form(ask, far, monkeypatch):
    monkeypatch.setattr(proxy, "is_public", lambda address: True)
    head = f"GET http://localhost:{far}/p?q=1 HTTP/1.1\r\nProxy-X: 1\r\nA: b\r\n\r\n".encode()
    answer = await ask(head, f"localhost:{far}")
    assert answer == b"heard GET /p?q=1 HTTP/1.1\r\nConnection: close\r\nA: b\r\n\r\n"
