"""A secret that wears out: the broker asks for a fresh one, and once more where it was refused."""

import aiohttp
import attrs
import pytest
from aiohttp import web

from codara.adapters.egress import asking
from codara.adapters.egress.broker import Broker
from codara.adapters.egress.doors import Doors
from codara.adapters.egress.lending import Lending
from codara.adapters.egress.outgoing import outgoing_session
from codara.adapters.jail.network import LOOPBACK, listen
from codara.errors import AgentFailed

TOKEN = "the-token-of-this-jail"


class Provider:
    """Takes one secret; everything else is a 401 that repeats what it was shown."""

    def __init__(self):
        self.good = "secret-1"
        self.heard = []

    async def answer(self, request):
        shown = request.headers["Authorization"].removeprefix("Bearer ")
        account = request.headers.get("chatgpt-account-id")
        self.heard.append((shown, account, await request.text()))
        status = 200 if shown == self.good else 401
        return web.json_response({"saw": shown}, status=status)


class Login:
    """A lending that is refreshed: a number is added at each time."""

    def __init__(self, url):
        self.told = []
        self.lent = Lending(
            base_url=url,
            secret="secret-1",
            fresh=self.fresh,
            refused=lambda _, code, __: self.told.append(code),
        )
        self.asked = []
        self.failure = None
        self.lasts = False

    async def fresh(self, refused):
        self.asked.append(refused)
        if self.failure and (refused or self.failure.cause == "overloaded"):
            raise self.failure
        if refused and not self.lasts:
            headers = {"chatgpt-account-id": "account-2"}
            self.lent = attrs.evolve(self.lent, secret="secret-2", headers=headers)
        return self.lent


@pytest.fixture
async def provider(aiohttp_server):
    made = Provider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    server = await aiohttp_server(app)
    made.url = f"http://127.0.0.1:{server.port}/v1"
    return made


@pytest.fixture
async def ask():
    session = outgoing_session()
    doors = Doors(token=TOKEN, ports=(8377,))
    broker = Broker("jail_1", doors, journal=None, session=session)
    listener = listen(0)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/responses"
    await broker.serve({8377: listener})

    async def asked(login, body="the body"):
        broker.lend(login.lent)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as agent,
            agent.post(url, data=body) as answer,
        ):
            return answer.status, await answer.text()

    yield asked
    await broker.close()
    await session.close()


async def test_each_request_is_made_with_the_secret_that_is_fresh_then(provider, ask):
    login = Login(provider.url)
    assert (await ask(login))[0] == 200
    assert login.asked == [""]


async def test_a_request_that_was_refused_is_made_once_more_with_a_fresh_secret(provider, ask):
    provider.good = "secret-2"
    login = Login(provider.url)
    status, text = await ask(login)
    assert (status, login.asked) == (200, ["", "secret-1"])
    assert provider.heard == [
        ("secret-1", None, "the body"),
        ("secret-2", "account-2", "the body"),
    ]
    assert "secret-2" not in text


async def test_a_refusal_that_a_fresh_secret_would_not_mend_is_the_agents_answer(provider, ask):
    provider.good = "neither"
    login = Login(provider.url)
    login.lasts = True
    status, text = await ask(login)
    assert (status, len(provider.heard)) == (401, 1)
    assert "*" in text


async def test_a_request_too_long_to_be_held_is_made_once(provider, ask, monkeypatch):
    monkeypatch.setattr(asking, "LONGEST_HELD", 4)
    provider.good = "secret-2"
    login = Login(provider.url)
    assert (await ask(login))[0] == 401
    assert (login.asked, provider.heard) == ([""], [("secret-1", None, "the body")])


async def test_a_secret_refused_a_second_time_is_the_agents_answer(provider, ask):
    provider.good = "neither"
    status, text = await ask(Login(provider.url))
    assert (status, len(provider.heard)) == (401, 2)
    assert "secret" not in text


@pytest.mark.parametrize(("cause", "status"), [("auth_failed", 401), ("overloaded", 503)])
async def test_a_login_that_cannot_be_refreshed_is_told_to_the_agent(provider, ask, cause, status):
    provider.good = "neither"
    login = Login(provider.url)
    login.failure = AgentFailed("the login is over", cause=cause)
    told = await ask(login)
    assert told[0] == status
    assert "the login is over" in told[1]
    assert login.told == ["login_over" if cause == "auth_failed" else "upstream_unreachable"]
