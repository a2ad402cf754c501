"""How commands reach the house: beside a running gateway, and without one."""

from contextlib import asynccontextmanager

import pytest

from codara.cli import local, reach
from codara.client import remote, running
from codara.client.client import Envelope
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.errors import LogLocked


class House:
    """A client that remembers what it was asked, and how often it was opened."""

    def __init__(self, name):
        self.name = name
        self.asked = []
        self.opened = 0
        self.refusals = []

    async def ask(self, method, path, *, query=None, body=None):
        self.asked.append((method, path, query, body))
        return Envelope(data=self.name, meta={})

    @asynccontextmanager
    async def open(self, _):
        if self.refusals:
            raise self.refusals.pop()
        self.opened += 1
        yield self


@pytest.fixture
def houses(monkeypatch):
    houses = {name: House(name) for name in ("local", "nothing_yet", "remote")}
    for name, house in houses.items():
        monkeypatch.setattr(remote if name == "remote" else local, name, house.open)
    return houses


@pytest.fixture
def loaded(tmp_path):
    return Loaded(settings=Settings.at(tmp_path), sources={})


@pytest.fixture
def log(tmp_path):
    (tmp_path / "events.db").touch()


async def asked(loaded, method="GET", path="/tasks", **what):
    async with reach.reach(loaded) as client:
        return (await client.ask(method, path, **what)).data


async def test_a_running_gateway_is_spoken_to(houses, loaded, tmp_path):
    running.write(tmp_path, "http://127.0.0.1:9", "t")
    assert await asked(loaded, "POST", "/users", body={"email": "e@x"}) == "remote"
    assert houses["remote"].asked == [("POST", "/users", None, {"email": "e@x"})]


async def test_without_a_gateway_the_log_is_opened_once(houses, loaded, log):
    async with reach.reach(loaded) as client:
        assert (await client.ask("GET", "/tasks", query={"limit": "1"})).data == "local"
        assert (await client.ask("POST", "/users")).data == "local"
    assert houses["local"].opened == 1
    assert houses["local"].asked[0] == ("GET", "/tasks", {"limit": "1"}, None)


async def test_where_there_is_no_log_a_question_makes_none(houses, loaded):
    assert await asked(loaded) == "nothing_yet"
    assert houses["local"].opened == 0


async def test_where_there_is_no_log_a_command_makes_one(houses, loaded):
    async with reach.reach(loaded) as client:
        assert (await client.ask("GET", "/users")).data == "nothing_yet"
        assert (await client.ask("POST", "/users")).data == "local"


async def test_a_log_that_another_holds_is_waited_for(houses, loaded, log):
    houses["local"].refusals = [LogLocked("held"), LogLocked("held")]
    assert await asked(loaded) == "local"


async def test_a_gateway_that_has_come_meanwhile_is_spoken_to(
    houses, loaded, log, tmp_path, monkeypatch
):
    @asynccontextmanager
    async def opening(_):
        running.write(tmp_path, "http://127.0.0.1:9", "t")
        raise LogLocked("held")
        yield

    monkeypatch.setattr(local, "local", opening)
    assert await asked(loaded) == "remote"


async def test_a_log_that_another_keeps_is_refused(houses, loaded, log, monkeypatch):
    houses["local"].refusals = [LogLocked("held")]
    monkeypatch.setattr(reach, "HOLDER_SECONDS", 0.0)
    with pytest.raises(LogLocked):
        await asked(loaded)
