"""The client without a gateway: it answers from the routes themselves."""

from datetime import UTC, datetime
from types import SimpleNamespace

import attrs
import pytest

from codara.application.keys import IssuedKey
from codara.cli.local import LocalClient
from codara.client.client import item, listed
from codara.client.remote import remote
from codara.client.running import RunningGateway
from codara.config.settings import Settings
from codara.errors import InvalidApiKey, InvalidRequest, NotFound
from codara.http.app import build

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@attrs.frozen
class Row:
    task_id: str
    created_at: datetime = NOW
    labels: tuple[str, ...] = ("a",)


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
        return next((row for row in self.rows if item_id in vars_of(row)), None)


def vars_of(row):
    return row.values() if isinstance(row, dict) else attrs.astuple(row)


@attrs.define
class Returning:
    """A coroutine function with one answer."""

    answer: object
    given: list = attrs.field(factory=list)

    async def __call__(self, *arguments):
        self.given.append(arguments)
        return self.answer


def services(tmp_path, *, views, **parts):
    async def wait_for(position, seconds):
        return True

    views = SimpleNamespace(**views, wait_for=wait_for, head=lambda: 9, position=lambda: 9)
    return SimpleNamespace(
        views=views,
        clock=lambda: NOW,
        new_id=lambda prefix: f"{prefix}_1",
        operators=SimpleNamespace(verify=Returning("op_local")),
        settings=Settings.at(tmp_path),
        **parts,
    )


@pytest.fixture
def tasks():
    return View(Row("trn_1"), Row("trn_2"), Row("trn_3"))


@pytest.fixture
def house(tmp_path, tasks):
    return services(tmp_path, views={"tasks": tasks})


@pytest.mark.parametrize(
    ("path", "query"),
    [("/tasks", {"limit": "2", "status": "failed"}), (item("tasks", "trn_2"), None)],
)
async def test_it_answers_what_the_gateway_would(house, aiohttp_server, path, query):
    server = await aiohttp_server(build(house))
    gateway = RunningGateway(
        address=f"http://127.0.0.1:{server.port}", token="t", pid=1, start_time=1
    )
    async with remote(gateway) as client:
        theirs = await client.ask("GET", path, query=query)
    own = await LocalClient(house).ask("GET", path, query=query)
    assert own.data == theirs.data
    assert {**own.meta, "trace_id": ""} == {**theirs.meta, "trace_id": ""}
    assert len(own.meta["trace_id"]) == 32


async def test_listings_go_on_to_the_limit(house, tasks):
    assert len(await listed(LocalClient(house), "/tasks", 50, {"status": "failed"})) == 3
    assert tasks.asked == [(50, None, {"status": "failed"}), (50, "2", {"status": "failed"})]


async def test_a_missing_thing_is_not_found(house):
    with pytest.raises(NotFound, match=r"There is no trn_9 here\."):
        await LocalClient(house).ask("GET", item("tasks", "trn_9"))


async def test_an_id_may_hold_anything(house):
    with pytest.raises(NotFound, match=r"There is no a/b\? here\."):
        await LocalClient(house).ask("GET", item("tasks", "a/b?"))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nonsense"), ("GET", "/tasks/"), ("DELETE", "/tasks")]
)
async def test_a_path_that_is_no_route_is_not_found(house, method, path):
    with pytest.raises(NotFound, match=f"There is no /management/v1{path} here"):
        await LocalClient(house).ask(method, path)


async def test_what_is_wrong_with_a_request_is_named(house):
    with pytest.raises(InvalidRequest) as refused:
        await LocalClient(house).ask("GET", "/tasks", query={"limit": "x"})
    assert refused.value.param == "limit"


async def test_there_is_nobody_to_log_out(house):
    with pytest.raises(InvalidApiKey):
        await LocalClient(house).ask("POST", "/auth/logout")


async def test_a_new_user_is_read_back_with_the_key(tmp_path):
    key = IssuedKey(key_id="key_1", raw_key="raw", label="default", expires_at=NOW, position=9)
    made = SimpleNamespace(
        user_id="usr_1", email="e@x", display_name="E", max_concurrency=3, position=9, key=key
    )
    users = SimpleNamespace(provision=Returning(made))
    view = View({"user_id": "usr_1", "status": "active"})
    house = services(tmp_path, views={"users": view}, users=users)
    answer = await LocalClient(house).ask("POST", "/users", body={"email": "e@x"})
    assert answer.data["status"] == "active"
    assert answer.data["api_key"] == {
        "key_id": "key_1",
        "raw_key": "raw",
        "label": "default",
        "expires_at": "2026-05-04T12:00:00+00:00",
    }
    [(new, cause)] = users.provision.given
    assert (new.email, cause.actor, cause.causation_id) == ("e@x", "cli", "req_1")
    assert cause.correlation_id == answer.meta["trace_id"]


async def test_an_account_is_registered_by_the_cli(tmp_path):
    accounts = SimpleNamespace(register=Returning(4))
    house = services(tmp_path, views={"accounts": View({"account_id": "a"})}, accounts=accounts)
    body = {
        "account_id": "a",
        "provider": "codex",
        "auth_type": "API_KEY",
        "label": "",
        "credential_text": "sk\n",
    }
    answer = await LocalClient(house).ask("POST", "/accounts/upload", body=body)
    assert answer.data == {"account_id": "a"}
    [(new, cause)] = accounts.register.given
    assert (new.credential, new.label, cause.actor) == (b"sk\n", "", "cli")
