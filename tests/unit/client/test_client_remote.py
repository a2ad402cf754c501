"""A client of a running gateway, and of long listings."""

import pytest
from aiohttp import web

from codara.client.client import item, listed
from codara.client.remote import remote
from codara.client.running import RunningGateway
from codara.errors import CodaraError, Conflict, InvalidRequest, NotFound


class Gateway:
    """The management plane, as far as the tests ask it."""

    def __init__(self):
        self.seen = []
        self.refusal = web.Response(status=502, text="<html>")

    def application(self):
        app = web.Application()
        app.router.add_get("/management/v1/tasks", self.tasks)
        app.router.add_get("/management/v1/tasks/{id}", self.task)
        app.router.add_post("/management/v1/users", self.users)
        app.router.add_post("/management/v1/refused", self.refused)
        return app

    async def tasks(self, request):
        self.seen.append((request.headers["Authorization"], dict(request.query)))
        start = int(request.query.get("cursor", 0))
        limit = min(int(request.query["limit"]), 2)
        rows = [{"task_id": f"trn_{at}"} for at in range(start, min(start + limit, 5))]
        page = {"cursor": str(start + limit), "has_more": start + limit < 5}
        return web.json_response({"ok": True, "data": rows, "meta": {"page": page}})

    async def task(self, request):
        return web.json_response({"data": request.match_info["id"], "meta": {"position": 7}})

    async def users(self, request):
        self.seen.append(await request.json())
        return web.json_response({"data": {"user_id": "usr_1"}}, status=201)

    async def refused(self, request):
        return self.refusal


@pytest.fixture
async def gateway():
    return Gateway()


@pytest.fixture
async def client(gateway, aiohttp_server):
    server = await aiohttp_server(gateway.application())
    running = RunningGateway(
        address=f"http://127.0.0.1:{server.port}", token="t", pid=1, start_time=1
    )
    async with remote(running) as client:
        yield client


async def test_a_long_listing_is_fetched_page_by_page(client, gateway):
    rows = await listed(client, "/tasks", 4, {"status": "failed"})
    assert [row["task_id"] for row in rows] == ["trn_0", "trn_1", "trn_2", "trn_3"]
    assert gateway.seen[0] == ("Bearer t", {"limit": "4", "status": "failed"})
    assert gateway.seen[1][1]["cursor"] == "2"


async def test_a_listing_ends_where_there_is_no_more(client):
    assert len(await listed(client, "/tasks", 50, {})) == 5


async def test_a_page_is_not_larger_than_the_gateway_gives(client, gateway):
    await listed(client, "/tasks", 1000, {})
    assert gateway.seen[0][1]["limit"] == "200"


async def test_an_answer_has_data_and_what_is_said_about_it(client):
    answer = await client.ask("GET", "/tasks/trn_1")
    assert (answer.data, answer.meta) == ("trn_1", {"position": 7})


async def test_an_id_may_hold_anything(client):
    assert (await client.ask("GET", item("tasks", "a/b c?d"))).data == "a/b c?d"


async def test_a_body_is_sent_as_it_is(client, gateway):
    answer = await client.ask("POST", "/users", body={"email": "größe@x"})
    assert answer.data == {"user_id": "usr_1"}
    assert gateway.seen == [{"email": "größe@x"}]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "not_found", NotFound), (409, "conflict", Conflict), (400, "invalid_request", None)],
)
async def test_a_refusal_is_raised_in_the_gateways_words(client, gateway, status, code, kind):
    error = {"message": "There is no trn_9 here.", "code": code, "param": "task_id"}
    gateway.refusal = web.json_response({"error": error}, status=status)
    with pytest.raises(kind or InvalidRequest, match=r"There is no trn_9 here\.") as refused:
        await client.ask("POST", "/refused")
    assert (refused.value.code, refused.value.param) == (code, "task_id")


async def test_a_refusal_may_have_a_cause(client, gateway):
    said = {"error": {"message": "No.", "code": "agent_failed"}, "codara": {"cause": "crashed"}}
    gateway.refusal = web.json_response(said, status=502)
    with pytest.raises(CodaraError) as refused:
        await client.ask("POST", "/refused")
    assert refused.value.cause == "crashed"


@pytest.mark.parametrize("said", [[], {}, {"error": "no"}, {"error": {"code": "of tomorrow"}}])
async def test_a_refusal_of_another_shape_is_told_by_its_status(client, gateway, said):
    gateway.refusal = web.json_response(said, status=503)
    with pytest.raises(CodaraError, match=r"The gateway answered 503\."):
        await client.ask("POST", "/refused")


async def test_what_is_not_there_is_not_found_whatever_is_said(client, gateway):
    gateway.refusal = web.json_response({}, status=404)
    with pytest.raises(NotFound):
        await client.ask("POST", "/refused")


@pytest.mark.parametrize(
    "answer",
    [web.Response(status=502, text="<html>"), web.Response(text="{}"), web.Response(text="[1]")],
)
async def test_what_is_no_answer_of_a_gateway_is_one_error(client, gateway, answer):
    gateway.refusal = answer
    with pytest.raises(CodaraError, match="does not answer"):
        await client.ask("POST", "/refused")


async def test_a_gateway_that_does_not_answer_is_named(unused_tcp_port):
    running = RunningGateway(
        address=f"http://127.0.0.1:{unused_tcp_port}", token="t", pid=7, start_time=1
    )
    async with remote(running) as client:
        with pytest.raises(CodaraError, match=r"\(process 7\) does not answer"):
            await client.ask("GET", "/tasks")
