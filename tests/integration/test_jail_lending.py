"""The whole way: a jailed program asks its broker, and the provider hears the real key."""

import textwrap

import pytest
from aiohttp import web

from codara.adapters.egress.lending import Lending
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.unsafe import Unsafe
from tests.fakes.journal import Journal
from tests.jail_setup import Place, need_bubblewrap

SECRET = "sk-real-key-of-the-account"

AGENT = """
import http.client, os, sys
host = os.environ["BASE"].removeprefix("http://")
for line in sys.stdin:
    http_ = http.client.HTTPConnection(host, timeout=10)
    headers = {"Authorization": "Bearer " + os.environ["KEY"]}
    http_.request("POST", "/responses", body=line.encode(), headers=headers)
    answer = http_.getresponse()
    print(answer.status, flush=True)
    for event in answer:
        print(event.decode().strip(), flush=True)
"""


@pytest.fixture(params=["bubblewrap", "unsafe"])
async def place(request, tmp_path):
    if request.param == "bubblewrap":
        need_bubblewrap()
    journal = Journal()
    jails = Bubblewrap(journal) if request.param == "bubblewrap" else Unsafe(journal)
    await jails.start_up()
    made = Place(jails, journal, tmp_path)
    made.journal = journal
    await made.make()
    yield made
    await made.close()


@pytest.fixture
async def provider(aiohttp_server):
    heard = []

    async def respond(request):
        heard.append((request.headers["Authorization"], await request.text()))
        response = web.StreamResponse(headers={"X-Codex-Primary-Used-Percent": "7"})
        await response.prepare(request)
        for word in ("one", "two"):
            await response.write(f"{word}\n".encode())
        return response

    app = web.Application()
    app.router.add_post("/v1/responses", respond)
    server = await aiohttp_server(app)
    server.heard = heard
    server.url = f"http://127.0.0.1:{server.port}/v1"
    return server


@pytest.mark.cli
async def test_a_turn_is_made_with_the_account_lent(place, provider):
    broker = place.ways.open("jail_that_asks")
    env = {"BASE": broker.doors.endpoint(), "KEY": broker.doors.token}
    spec = place.python(AGENT, jail_id="jail_that_asks", env=env)
    jail = await place.jails.start(spec, broker)
    seen = []

    async def heard():
        return (await jail.stdout.readline()).rstrip(b"\n")

    broker.lend(
        Lending(
            base_url=provider.url,
            secret=SECRET,
            observe=lambda status, headers: seen.append(headers["x-codex-primary-used-percent"]),
        )
    )
    jail.stdin.write(b"hello\n")
    assert [await heard() for _ in range(3)] == [b"200", b"one", b"two"]
    broker.withdraw()
    jail.stdin.write(b"again\n")
    assert await heard() == b"503"
    await heard()
    await jail.close(grace=10)

    assert provider.heard == [(f"Bearer {SECRET}", "hello\n")]
    assert seen == ["7"]
    name, _, facts = place.journal.told[-1]
    assert (name, facts["egress"]) == ("exited", {f"127.0.0.1:{provider.port}": 1})
    assert jail.jailed == place.jails.jailed


@pytest.mark.cli
@pytest.mark.parametrize("place", ["bubblewrap"], indirect=True)
async def test_the_real_key_is_nowhere_in_the_jail(place, provider):
    script = """
        import os, pathlib
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for name in ("environ", "cmdline"):
                try:
                    print(pathlib.Path("/proc", pid, name).read_bytes())
                except OSError:
                    pass
    """
    broker = place.ways.open("jail_that_looks")
    env = {"KEY": broker.doors.token}
    spec = place.python(textwrap.dedent(script), jail_id="jail_that_looks", env=env)
    jail = await place.jails.start(spec, broker)
    broker.lend(Lending(base_url=provider.url, secret=SECRET))
    said = await jail.stdout.read(-1)
    await jail.close()
    assert broker.doors.token.encode() in said
    assert SECRET.encode() not in said
