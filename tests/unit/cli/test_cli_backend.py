"""How commands reach the house: beside a running gateway, and without one."""

from contextlib import asynccontextmanager
from types import SimpleNamespace

import attrs
import pytest
from aiohttp import web

from codara.adapters import gatewayfile
from codara.adapters.gatewayfile import RunningGateway
from codara.application.accounts import NewAccount
from codara.application.keys import IssuedKey
from codara.application.users import NewUser
from codara.cli import backend as reaching
from codara.cli.offline import OfflineBackend
from codara.cli.remote import RemoteBackend, remote
from codara.config.load import Loaded
from codara.config.settings import Settings
from codara.errors import CodaraError, Conflict, LogLocked, NotFound

ACCOUNT = NewAccount(
    account_id="a", provider="codex", auth_type="API_KEY", label="A", credential=b"sk\xff"
)


class Gateway:
    """The management plane, as far as commands use it."""

    def __init__(self):
        self.seen = []

    def application(self):
        app = web.Application()
        app.router.add_get("/management/v1/tasks", self.tasks)
        app.router.add_get("/management/v1/tasks/{id}", self.task)
        app.router.add_post("/management/v1/users", self.users)
        app.router.add_post("/management/v1/accounts/upload", self.upload)
        app.router.add_post("/management/v1/tasks/{id}/cancel", self.cancel)
        return app

    async def tasks(self, request):
        self.seen.append((request.headers["Authorization"], dict(request.query)))
        start = int(request.query.get("cursor", 0))
        limit = min(int(request.query["limit"]), 2)
        rows = [{"task_id": f"trn_{at}"} for at in range(start, min(start + limit, 5))]
        page = {"cursor": str(start + limit), "has_more": start + limit < 5}
        return web.json_response({"ok": True, "data": rows, "meta": {"page": page}})

    async def task(self, request):
        error = {"message": f"There is no task {request.match_info['id']}.", "code": "not_found"}
        return web.json_response({"error": error}, status=404)

    async def users(self, request):
        self.seen.append(await request.json())
        return web.json_response({"data": {"user_id": "usr_1"}}, status=201)

    async def upload(self, request):
        form = await request.post()
        self.seen.append({**form, "credential_file": form["credential_file"].file.read()})
        return web.json_response({"data": {"account_id": "a"}}, status=201)

    async def cancel(self, request):
        return web.Response(status=502, text="<html>")


@pytest.fixture
async def gateway():
    return Gateway()


@pytest.fixture
async def house(gateway, aiohttp_server):
    server = await aiohttp_server(gateway.application())
    running = RunningGateway(
        address=f"http://127.0.0.1:{server.port}", token="t", pid=1, start_time=1
    )
    async with remote(running) as house:
        yield house


async def test_a_long_listing_is_fetched_page_by_page(house, gateway):
    rows = await house.list("tasks", 4, {"status": "failed"})
    assert [row["task_id"] for row in rows] == ["trn_0", "trn_1", "trn_2", "trn_3"]
    assert gateway.seen[0] == ("Bearer t", {"limit": "4", "status": "failed"})
    assert gateway.seen[1][1]["cursor"] == "2"


async def test_a_listing_ends_where_there_is_no_more(house):
    assert len(await house.list("tasks", 50, {})) == 5


async def test_a_refusal_is_raised_in_the_gateways_words(house):
    with pytest.raises(NotFound, match=r"There is no task trn_9\."):
        await house.get("tasks", "trn_9")


async def test_an_answer_that_is_no_json_is_one_error(house):
    with pytest.raises(CodaraError, match="does not answer"):
        await house.cancel_task("trn_1")


async def test_only_what_is_given_is_sent_for_a_new_user(house, gateway):
    assert await house.create_user(NewUser(email="e@x")) == {"user_id": "usr_1"}
    assert gateway.seen == [{"email": "e@x"}]


async def test_a_credential_is_sent_as_it_is(house, gateway):
    await house.add_account(ACCOUNT)
    assert gateway.seen == [
        {
            "account_id": "a",
            "provider": "codex",
            "auth_type": "API_KEY",
            "label": "A",
            "credential_file": b"sk\xff",
        }
    ]


async def test_a_gateway_that_does_not_answer_is_named(unused_tcp_port):
    running = RunningGateway(
        address=f"http://127.0.0.1:{unused_tcp_port}", token="t", pid=7, start_time=1
    )
    async with remote(running) as house:
        with pytest.raises(CodaraError, match=r"\(process 7\) does not answer"):
            await house.list("tasks", 1, {})


@pytest.fixture
def loaded(tmp_path):
    return Loaded(settings=Settings.at(tmp_path), sources={})


async def test_a_running_gateway_is_spoken_to(loaded, tmp_path):
    gatewayfile.write(tmp_path, "http://127.0.0.1:9", "t")
    async with reaching.backend(loaded) as house:
        assert isinstance(house, RemoteBackend)


async def test_without_a_gateway_the_log_is_opened(loaded, monkeypatch):
    opened = []

    @asynccontextmanager
    async def offline(given):
        opened.append(given)
        yield "house"

    monkeypatch.setattr(reaching, "offline", offline)
    async with reaching.backend(loaded) as house:
        assert house == "house"
    assert opened == [loaded]


async def test_a_log_that_another_holds_is_waited_for(loaded, monkeypatch):
    refusals = [LogLocked("held"), LogLocked("held")]

    @asynccontextmanager
    async def offline(_):
        if refusals:
            raise refusals.pop()
        yield "house"

    monkeypatch.setattr(reaching, "offline", offline)
    async with reaching.backend(loaded) as house:
        assert house == "house"
    assert refusals == []


async def test_a_log_that_another_keeps_is_refused(loaded, monkeypatch):
    @asynccontextmanager
    async def offline(_):
        raise LogLocked("held")
        yield

    monkeypatch.setattr(reaching, "offline", offline)
    monkeypatch.setattr(reaching, "HOLDER_SECONDS", 0.0)
    with pytest.raises(LogLocked):
        async with reaching.backend(loaded):
            pass


class View:
    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    async def list(self, *, limit, cursor, **filters):
        self.asked.append((limit, cursor, filters))
        start = int(cursor or 0)
        items = list(self.rows[start : start + 2])
        more = start + 2 < len(self.rows)
        return SimpleNamespace(items=items, cursor=str(start + 2), has_more=more)

    async def get(self, item_id):
        return next((row for row in self.rows if item_id in row.values()), None)


def services(**parts):
    views = SimpleNamespace(waited=[], **parts.pop("views"))

    async def wait_for(position, seconds):
        views.waited.append(position)
        return True

    views.wait_for = wait_for
    return SimpleNamespace(views=views, **parts)


async def test_offline_listings_go_on_to_the_limit():
    view = View({"task_id": "a"}, {"task_id": "b"}, {"task_id": "c"})
    house = OfflineBackend(services(views={"tasks": view}))
    assert len(await house.list("tasks", 50, {"status": "failed"})) == 3
    assert view.asked == [(50, None, {"status": "failed"}), (50, "2", {"status": "failed"})]


async def test_offline_a_missing_thing_is_not_found():
    with pytest.raises(NotFound, match=r"There is no session ses_1\."):
        await OfflineBackend(services(views={"sessions": View()})).get("sessions", "ses_1")


async def test_offline_no_task_runs():
    house = OfflineBackend(services(views={"tasks": View({"task_id": "trn_1"})}))
    with pytest.raises(Conflict, match="No gateway runs"):
        await house.cancel_task("trn_1")


async def test_offline_a_new_user_is_read_back_with_the_key():
    made = SimpleNamespace(
        user_id="usr_1",
        position=9,
        key=IssuedKey(key_id="key_1", raw_key="raw", label="default", expires_at=None, position=9),
    )
    users = SimpleNamespace(provision=returning(made))
    house = OfflineBackend(services(views={"users": View({"user_id": "usr_1"})}, users=users))
    answer = await house.create_user(NewUser(email="e@x"))
    assert answer["api_key"] == {
        "key_id": "key_1",
        "raw_key": "raw",
        "label": "default",
        "expires_at": None,
    }
    [(new, cause)] = users.provision.given
    assert (new, cause.actor) == (NewUser(email="e@x"), "cli")
    assert house.services.views.waited == [9]


async def test_offline_an_account_is_registered_by_the_cli():
    accounts = SimpleNamespace(register=returning(4))
    house = OfflineBackend(
        services(views={"accounts": View({"account_id": "a"})}, accounts=accounts)
    )
    assert await house.add_account(ACCOUNT) == {"account_id": "a"}
    [(new, cause)] = accounts.register.given
    assert (new, cause.actor) == (ACCOUNT, "cli")


@attrs.define
class returning:
    """A coroutine function with one answer."""

    answer: object
    given: list = attrs.field(factory=list)

    async def __call__(self, *arguments):
        self.given.append(arguments)
        return self.answer
