"""The whole way: a jailed program asks its broker, and the provider hears the real key."""

import textwrap

import pytest
from aiohttp import web

from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.spec import Lending
from codara.adapters.jail.unsafe import Unsafe
from tests.jailing import Journal, Place, need_bubblewrap

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
    made = Place(jails, tmp_path)
    made.journal = journal
    await made.make()
    yield made
    await jails.close()


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
    doors = place.jails.open_doors()
    env = {"BASE": doors.endpoint(), "KEY": doors.token}
    jail = await place.jails.start(place.python(AGENT, env=env), doors)
    seen = []
    lines = jail.lines()

    jail.broker.lend(
        Lending(
            base_url=provider.url,
            secret=SECRET,
            observe=lambda status, headers: seen.append(headers["x-codex-primary-used-percent"]),
        )
    )
    jail.stdin.write(b"hello\n")
    assert [await anext(lines) for _ in range(3)] == [b"200", b"one", b"two"]
    jail.broker.withdraw()
    jail.stdin.write(b"again\n")
    assert await anext(lines) == b"503"
    await anext(lines)
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
    doors = place.jails.open_doors()
    spec = place.python(textwrap.dedent(script), env={"KEY": doors.token})
    jail = await place.jails.start(spec, doors)
    jail.broker.lend(Lending(base_url=provider.url, secret=SECRET))
    said = b"".join([line async for line in jail.lines()])
    await jail.close()
    assert doors.token.encode() in said
    assert SECRET.encode() not in said
