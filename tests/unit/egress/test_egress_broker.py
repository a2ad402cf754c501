import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from codara.adapters.egress import broker as brokers
from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import BROKER_PORT, PROXY_PORT, Doors
from codara.adapters.egress.lending import Lending
from codara.adapters.egress.outgoing import outgoing_session
from codara.adapters.jail.network import LOOPBACK, listen
from tests.fakes.journal import Journal

TOKEN = "the-token-of-this-jail"
SECRET = "sk-very-secret-key"


class Provider:
    """A model server that remembers what it was asked."""

    def __init__(self):
        self.requests = []
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def answer(self, request):
        body = await request.read()
        self.requests.append((request.method, request.raw_path, dict(request.headers), body))
        return web.json_response(
            {"saw": request.headers.get("Authorization", "")},
            status=int(request.headers.get("X-Want", "200")),
            headers={"X-Codex-Primary-Used-Percent": "42", "Set-Cookie": "a=b"},
        )

    async def stream(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: one\n\n")
        self.begun.set()
        try:
            await self.go_on.wait()
            if "X-Break" in request.headers:
                request.transport.abort()
            await response.write(b"data: two\n\n")
        finally:
            self.let_go.set()
        return response


@pytest.fixture
async def provider(aiohttp_server):
    made = Provider()
    app = web.Application()
    app.router.add_route("*", "/v1/stream", made.stream)
    app.router.add_route("*", "/{path:.*}", made.answer)
    server = await aiohttp_server(app)
    made.url = f"http://127.0.0.1:{server.port}/v1"
    made.port = server.port
    return made


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
async def broker(journal):
    session = outgoing_session()
    doors = Doors(token=TOKEN, ports=(BROKER_PORT,))
    made = Broker("jail_1", doors, journal=journal, session=session)
    listener = listen(0)
    made.url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    await made.serve({8377: listener})
    yield made
    await made.close()
    await session.close()


@pytest.fixture
async def agent():
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield session


def lend(broker, provider, **changes):
    broker.lend(Lending(**({"base_url": provider.url, "secret": SECRET} | changes)))


async def test_the_real_key_takes_the_tokens_place(broker, provider, agent):
    lend(broker, provider)
    async with agent.post(f"{broker.url}/responses?a=1", data=b'{"x":1}') as answer:
        assert answer.status == 200
    method, path, headers, body = provider.requests[0]
    assert (method, path, body) == ("POST", "/v1/responses?a=1", b'{"x":1}')
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert headers["Host"] == f"127.0.0.1:{provider.port}"
    assert TOKEN not in str(headers)


async def test_the_secret_never_comes_back(broker, provider, agent):
    lend(broker, provider)
    async with agent.get(f"{broker.url}/x") as answer:
        text = await answer.text()
    assert SECRET not in text + str(answer.headers)
    assert json.loads(text)["saw"] == "Bearer " + "*" * len(SECRET)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["x-api-key", "x-goog-api-key", "api-key"])
async def test_the_token_may_come_in_any_key_header(broker, provider, name):
    lend(broker, provider, header="x-api-key", scheme="")
    async with (
        aiohttp.ClientSession(headers={name: TOKEN}) as agent,
        agent.get(f"{broker.url}/x") as answer,
    ):
        assert answer.status == 200
    headers = provider.requests[0][2]
    assert headers["x-api-key"] == SECRET
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_another_token_is_refused(broker, provider, headers):
    lend(broker, provider)
    async with (
        aiohttp.ClientSession(headers=headers) as agent,
        agent.get(f"{broker.url}/x") as answer,
    ):
        assert answer.status == 401
    assert provider.requests == []


async def test_the_brokers_own_refusals_are_told_to_the_lender(broker, provider, agent):
    told = []
    lend(broker, provider, refused=lambda path, code, _: told.append((path, code)))
    async with agent.get(f"{broker.url}/x", headers={"X-Want": "401"}) as answer:
        assert answer.status == 401
    assert told == []
    async with agent.get(f"{broker.url}/x?a=1", headers={"Authorization": "Bearer no"}) as answer:
        assert answer.status == 401
    assert told == [("/x", "invalid_token")]


async def test_without_a_lending_nothing_goes_out(broker, provider, agent):
    async with agent.get(f"{broker.url}/x") as answer:
        assert answer.status == 503
        assert (await answer.json())["error"]["code"] == "no_account_lent"
    lend(broker, provider)
    broker.withdraw()
    async with agent.get(f"{broker.url}/x") as answer:
        assert answer.status == 503


async def test_the_account_can_change_between_two_requests(broker, provider, agent):
    for secret in ("first-key", "second-key"):
        lend(broker, provider, secret=secret)
        async with agent.get(f"{broker.url}/x") as answer:
            await answer.read()
    keys = [headers["Authorization"] for _, _, headers, _ in provider.requests]
    assert keys == ["Bearer first-key", "Bearer second-key"]


async def test_events_are_passed_on_as_they_come(broker, provider, agent):
    lend(broker, provider)
    async with agent.post(f"{broker.url}/stream", data=b"{}") as answer:
        assert await answer.content.readline() == b"data: one\n"
        provider.go_on.set()
        assert await answer.content.read() == b"\ndata: two\n\n"


async def test_a_withdrawal_cuts_what_is_in_flight(broker, provider, agent):
    lend(broker, provider)
    async with agent.post(f"{broker.url}/stream", data=b"{}") as answer:
        await answer.content.readline()
        broker.withdraw()
        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()
        await asyncio.wait_for(provider.let_go.wait(), 5)


async def test_an_agent_that_hangs_up_frees_the_provider(broker, provider):
    lend(broker, provider)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as agent:
        answer = await agent.post(f"{broker.url}/stream", data=b"{}")
        await answer.content.readline()
        answer.close()
        await asyncio.wait_for(provider.let_go.wait(), 5)


async def test_an_answer_that_breaks_off_is_told_to_the_lender(broker, provider, agent):
    told = []
    lend(broker, provider, broken=lambda: told.append("broken"))
    async with agent.get(f"{broker.url}/stream", headers={"X-Break": "1"}) as answer:
        await answer.content.readline()
        provider.go_on.set()
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert told == ["broken"]


async def test_an_agent_that_hangs_up_breaks_nothing_off(broker, provider):
    told = []
    lend(broker, provider, broken=lambda: told.append("broken"))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as agent:
        answer = await agent.post(f"{broker.url}/stream", data=b"{}")
        await answer.content.readline()
        answer.close()
        await asyncio.wait_for(provider.let_go.wait(), 5)
    assert told == []


async def test_quota_headers_are_handed_to_the_lender(broker, provider, agent):
    seen = []
    lend(broker, provider, observe=lambda status, headers: seen.append((status, headers)))
    async with agent.get(f"{broker.url}/x", headers={"X-Want": "429"}) as answer:
        assert answer.status == 429
    assert seen[0][0] == 429
    assert seen[0][1]["x-codex-primary-used-percent"] == "42"


@pytest.mark.parametrize("path", ["/../admin", "/a/%2e%2e/b", "/a/..%2fb", "/a%252f..", "/..\\x"])
async def test_the_path_cannot_leave_the_base_url(broker, provider, agent, path):
    from yarl import URL

    lend(broker, provider)
    async with agent.get(URL(broker.url + path, encoded=True)) as answer:
        assert answer.status == 403
    assert provider.requests == []


async def raw(broker, head):
    host, port = broker.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


async def test_other_hosts_are_refused_and_told_once(broker, provider, journal):
    lend(broker, provider)
    head = (
        f"GET http://evil.example/x HTTP/1.1\r\nHost: evil.example\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()
    for _ in range(2):
        assert b" 403 " in await raw(broker, head)
    await broker.close()
    assert journal.denied == [("jail_1", "evil.example", 80)]


async def test_an_upgrade_is_refused_at_once(broker, provider, agent):
    lend(broker, provider)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await agent.ws_connect(f"{broker.url}/responses")
    assert refused.value.status == 426
    assert provider.requests == []


async def test_a_provider_that_is_not_there_is_a_502(broker, provider, agent):
    free = listen(0)
    port = free.getsockname()[1]
    free.close()
    told = []
    base_url = f"http://127.0.0.1:{port}"
    lend(broker, provider, base_url=base_url, refused=lambda *what: told.append(what))
    async with agent.post(f"{broker.url}/x", data=b"{}") as answer:
        assert answer.status == 502
        assert (await answer.json())["error"]["code"] == "upstream_unreachable"
    why = "the connection fails (Connection refused)"
    sentence = f"The gateway cannot reach the provider's server: {why}. Try again shortly."
    assert told == [("/x", "upstream_unreachable", sentence)]


@pytest.mark.parametrize(
    ("status", "kind", "headers"),
    [
        (403, "text/html", {"cf-mitigated": "challenge"}),
        (401, "text/html; charset=utf-8", {}),
        (401, "text/plain", {}),
        (200, "text/html", {}),
        (503, "text/html", {}),
        (302, "text/plain", {"Location": "https://portal.example.org/"}),
        (511, "application/json", {}),
    ],
)
async def test_what_is_not_the_providers_own_never_reaches_the_agent(
    broker, agent, aiohttp_server, status, kind, headers
):
    told, seen, heard = [], [], []

    async def page(_):
        page = {"Content-Type": kind, **headers}
        return web.Response(status=status, body=b"<html>Who are you?</html>", headers=page)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    server = await aiohttp_server(app)
    broker.lend(
        Lending(
            base_url=f"http://127.0.0.1:{server.port}",
            secret=SECRET,
            refused=lambda *what: told.append(what),
            observe=lambda *what: seen.append(what),
            listen=lambda *what: heard.append(what),
        )
    )
    async with agent.post(f"{broker.url}/x", data=b"{}", allow_redirects=False) as answer:
        assert answer.status == 502
        body = await answer.json()
    assert body["error"]["code"] == "upstream_unreachable"
    assert "Who are you?" not in str(body)
    [(path, code, sentence)] = told
    assert (path, code) == ("/x", "upstream_unreachable")
    assert f"the answer is not its own ({status}, {kind.partition(';')[0]})" in sentence
    assert seen == heard == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {"Content-Type": "application/json"}),
        (403, {"Content-Type": "application/problem+json"}),
        (401, {"Content-Type": "text/html", "WWW-Authenticate": "Bearer"}),
        (429, {"Content-Type": "text/plain"}),
        (200, {"Content-Type": "text/event-stream"}),
    ],
)
async def test_what_the_provider_says_reaches_the_agent(
    broker, agent, aiohttp_server, status, headers
):
    async def says(_):
        return web.Response(status=status, body=b"{}", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", says)
    server = await aiohttp_server(app)
    broker.lend(Lending(base_url=f"http://127.0.0.1:{server.port}", secret=SECRET))
    async with agent.get(f"{broker.url}/x") as answer:
        assert (answer.status, await answer.read()) == (status, b"{}")


async def test_a_redirect_is_not_followed(broker, provider, agent):
    lend(broker, provider)
    headers = {"X-Want": "302"}
    async with agent.get(f"{broker.url}/x", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 302
    assert len(provider.requests) == 1


async def test_what_goes_out_is_counted_by_host_and_port(broker, provider, agent):
    lend(broker, provider)
    for _ in range(3):
        async with agent.get(f"{broker.url}/x") as answer:
            await answer.read()
    assert broker.egress() == {f"127.0.0.1:{provider.port}": 3}


async def test_of_many_places_the_first_are_counted_by_name(broker, provider, agent, monkeypatch):
    monkeypatch.setattr(brokers, "MOST_PLACES", 0)
    lend(broker, provider)
    for _ in range(3):
        async with agent.get(f"{broker.url}/x") as answer:
            await answer.read()
    assert broker.egress() == {"others": 3}


async def test_a_compressed_body_is_left_as_it_is(broker, provider, agent):
    import gzip

    lend(broker, provider)
    body = gzip.compress(b"{}" * 50)
    headers = {"Content-Encoding": "gzip"}
    async with agent.post(f"{broker.url}/x", data=body, headers=headers) as answer:
        assert answer.status == 200
    assert provider.requests[0][2]["Content-Length"] == str(len(body))


async def test_hop_by_hop_headers_stay_behind(broker, provider, agent):
    lend(broker, provider)
    headers = {"Connection": "x-private", "X-Private": "1", "Cookie": "a=b", "TE": "trailers"}
    async with agent.get(f"{broker.url}/x", headers=headers) as answer:
        await answer.read()
    sent = {name.lower() for name in provider.requests[0][2]}
    assert sent.isdisjoint({"x-private", "cookie", "te"})


async def test_listeners_that_come_after_the_end_are_closed() -> None:
    async with aiohttp.ClientSession() as session:
        late = Broker(
            "jail_1", Doors.inside((BROKER_PORT, PROXY_PORT)), journal=journal, session=session
        )
        await late.close()
        listeners = {port: listen(0) for port in (BROKER_PORT, PROXY_PORT)}
        await late.serve(listeners)
        assert [listener.fileno() for listener in listeners.values()] == [-1, -1]
