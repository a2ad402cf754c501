"""Every failure, on every path, in one shape; and what every answer carries."""

import asyncio
import re
from typing import Any

import aiohttp
import pytest
from http_with_fakes import Door, a_request, opened, services

from codara import errors
from codara.errorcodes import BY_CODE
from codara.errors import CodaraError
from codara.http.errors import TABLE
from tests.fakes.health import FakeHealth
from tests.fakes.operators import OPERATOR_TOKEN
from tests.fakes.turns import FakeTurns, ScriptedTurn
from tests.fakes.users import KEY, SUSPENDED_KEY

HEADERS = {"Authorization": f"Bearer {KEY}"}
CHAT = "/v1/chat/completions"
AT_START_ONLY = {
    "config_invalid",
    "log_locked",
    "log_damaged",
    "data_mismatch",
    "master_key_invalid",
    "address_in_use",
}


async def error_of(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    body = await answer.json()
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    assert answer.headers["X-Request-Id"]
    error: dict[str, Any] = body["error"]
    return error


def test_every_code_a_caller_may_see_has_a_status() -> None:
    assert set(BY_CODE) - AT_START_ONLY == set(TABLE)


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/nowhere", "GET", 404, "not_found"),
        ("/v1/completions", "POST", 404, "not_found"),
        ("/v1/%2e%2e/x", "GET", 404, "not_found"),
        (CHAT, "GET", 405, "method_not_allowed"),
        ("/healthz", "DELETE", 405, "method_not_allowed"),
        (CHAT, "OPTIONS", 405, "method_not_allowed"),
    ],
)
async def test_the_frameworks_refusals_have_our_shape(
    path: str, method: str, status: int, code: str
) -> None:
    async with opened(services()) as door:
        answer = await door.ask(method, path)
        assert (answer.status, (await error_of(answer))["code"]) == (status, code)


async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with opened(services()) as door:
        assert (await door.ask("GET", CHAT)).headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b'{"model": NaN}', b"[" * 5000])
async def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    async with opened(services()) as door:
        answer = await door.ask("POST", CHAT, data=body, headers=HEADERS)
        assert answer.status == 400
        assert (await error_of(answer))["code"] == "invalid_request"


async def pieces(size: int) -> Any:
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize("body", [b"x" * 200_000, "chunked"])
async def test_a_body_that_is_too_large_is_refused(body: Any) -> None:
    async with opened(services()) as door:
        data = pieces(200_000) if body == "chunked" else body
        answer = await door.ask("POST", CHAT, data=data, headers=HEADERS)
        assert answer.status == 413
        assert (await error_of(answer))["code"] == "body_too_large"


async def test_a_body_whose_packing_is_broken_is_refused() -> None:
    async with opened(services()) as door:
        headers = {**HEADERS, "Content-Encoding": "gzip"}
        answer = await door.ask("POST", CHAT, data=b"not gzip", headers=headers)
        assert answer.status == 400
        assert (await error_of(answer))["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, "invalid_api_key"),
        ("Basic abc", 401, "invalid_api_key"),
        ("Bearer", 401, "invalid_api_key"),
        ("Bearer uagk_live_wrong", 401, "invalid_api_key"),
        ("Bearer the-passkey-itself", 401, "invalid_api_key"),
        ("Bearer kéy", 401, "invalid_api_key"),
        (f"Bearer {SUSPENDED_KEY}", 403, "user_suspended"),
    ],
)
async def test_who_may_not_ask_is_told_why(
    authorization: str | None, status: int, code: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with opened(services()) as door:
        answer = await door.ask("POST", CHAT, json=a_request(), headers=headers)
        assert (answer.status, (await error_of(answer))["code"]) == (status, code)


async def test_a_users_key_is_nothing_on_the_operators_plane() -> None:
    async with opened(services()) as door:
        answer = await door.ask("GET", "/management/v1/users", headers=HEADERS)
        assert (answer.status, (await error_of(answer))["code"]) == (401, "invalid_api_key")


async def test_a_defect_tells_the_caller_its_id_and_the_log_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    turns = FakeTurns(refused=RuntimeError("a secret detail"))
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(**{"X-Request-Id": "req-of-mine"})
        error = await error_of(answer)
    assert (answer.status, error["code"]) == (500, "internal")
    assert "req-of-mine" in error["message"]
    assert "secret" not in error["message"]
    assert "a secret detail" in caplog.text


async def test_damage_of_the_house_is_not_told_in_detail() -> None:
    turns = FakeTurns(refused=errors.LogDamaged("/var/lib/codara/events.db is broken"))
    async with opened(services(turns=turns)) as door:
        error = await error_of(await door.chat())
    assert error["code"] == "internal"
    assert "/var" not in error["message"]


@pytest.mark.parametrize(
    ("refused", "retry_after", "should_retry"),
    [
        (errors.AllAccountsCooling("wait", retry_after=12.01), "13", None),
        (errors.ConcurrencyLimit("wait", retry_after=1.0), "1", None),
        (errors.RateLimited("wait", retry_after=-3.0), "0", None),
        (errors.SessionBusy("busy"), None, "false"),
        (errors.WorkspaceBusy("busy", retry_after=5.0), "5", "false"),
        (errors.Conflict("there"), None, "false"),
        (errors.IdempotencyConflict("other body"), None, "false"),
        (errors.AgentFailed("crashed", retry_safe=False), None, "false"),
        (errors.AgentOverloaded("busy"), None, None),
    ],
)
async def test_a_refusal_says_when_and_whether_to_come_back(
    refused: CodaraError, retry_after: str | None, should_retry: str | None
) -> None:
    async with opened(services(turns=FakeTurns(refused=refused))) as door:
        headers = (await door.chat()).headers
    assert headers.get("Retry-After") == retry_after
    assert headers.get("x-should-retry") == should_retry


async def test_a_message_with_half_a_character_is_still_json() -> None:
    turns = FakeTurns(refused=errors.NotFound("There is no \udcff.", param="\udcff"))
    async with opened(services(turns=turns)) as door:
        assert (await error_of(await door.chat()))["param"] == "?"


async def test_a_message_without_bounds_is_told_in_part() -> None:
    turns = FakeTurns(refused=errors.AgentFailed("ä" * 1_000_000))
    async with opened(services(turns=turns)) as door:
        message = (await error_of(await door.chat()))["message"]
    assert len(message.encode()) <= errors.LONGEST_MESSAGE
    assert message.endswith("ä…")


@pytest.mark.parametrize("sane", ["abc", "A.b_c-9", "x" * 128])
async def test_a_sane_request_id_is_kept(sane: str) -> None:
    async with opened(services()) as door:
        answer = await door.ask("GET", "/healthz", headers={"X-Request-Id": sane})
        assert answer.headers["X-Request-Id"] == sane


@pytest.mark.parametrize("odd", ["", "x" * 129, "a b", "ä", "a/b"])
async def test_an_odd_request_id_is_replaced(odd: str) -> None:
    async with opened(services()) as door:
        answer = await door.ask("GET", "/healthz", headers={"X-Request-Id": odd})
        assert answer.headers["X-Request-Id"] == "req_1"


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "given", [f"00-{TRACE}-00f067aa0ba902b7-01", f"01-{TRACE}-00f067aa0ba902b7-01-more"]
)
async def test_an_incoming_trace_goes_on(given: str) -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        answer = await door.chat(traceparent=given)
        told = re.fullmatch(r"00-(\w{32})-(\w{16})-01", answer.headers["traceparent"])
    assert told is not None
    assert (told[1], turns.asked[0].trace_id) == (TRACE, TRACE)
    assert told[2] != "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "given",
    [
        "nonsense",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
    ],
)
async def test_an_invalid_trace_is_ignored(given: str) -> None:
    turns = FakeTurns()
    async with opened(services(turns=turns)) as door:
        assert (await door.chat(traceparent=given)).status == 200
    assert turns.asked[0].trace_id.lower() != TRACE
    assert re.fullmatch(r"[0-9a-f]{32}", turns.asked[0].trace_id)


def preflight(origin: str) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,User-Agent,x-stainless-os,x-own, b@d",
    }


async def test_a_browser_of_an_allowed_origin_may_ask() -> None:
    async with opened(services()) as door:
        answer = await door.ask("OPTIONS", CHAT, headers=preflight("https://ui.example"))
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "https://ui.example"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"]
        assert allowed == "authorization, User-Agent, x-stainless-os, x-own"
        assert answer.headers["Vary"] == "Access-Control-Request-Headers, Origin"


async def test_a_browser_of_another_origin_may_not() -> None:
    async with opened(services()) as door:
        answer = await door.ask("OPTIONS", CHAT, headers=preflight("https://evil.example"))
        assert answer.status == 405
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Headers" not in answer.headers
        assert answer.headers["Vary"] == "Origin"


async def test_answers_to_an_allowed_origin_may_be_read_errors_and_streams_too() -> None:
    turn = ScriptedTurn()
    async with opened(services(turns=FakeTurns(turn=turn))) as door:
        for body in (a_request(), a_request(stream=True), a_request(n=2)):
            answer = await door.chat(body, Origin="https://ui.example")
            assert answer.headers["Access-Control-Allow-Origin"] == "https://ui.example"
            assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"]
            assert answer.headers["Vary"] == "Origin"


async def test_a_working_gateway_is_alive_and_ready() -> None:
    async with opened(services()) as door:
        assert (await door.ask("GET", "/healthz")).status == 200
        assert (await door.ask("GET", "/readyz")).status == 200


async def test_a_gateway_that_cannot_work_says_why() -> None:
    health = FakeHealth(wrong=["storage_full", "the view sessions is dead"])
    async with opened(services(health=health)) as door:
        assert (await door.ask("GET", "/healthz")).status == 200
        answer = await door.ask("GET", "/readyz")
        body = await answer.json()
    assert answer.status == 503
    assert body["reasons"] == health.wrong
    assert body["error"]["code"] == "not_ready"


async def spoken_to(door: Door, raw: bytes) -> bytes:
    host, port = door.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(raw)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_not_even_http_gets_an_error_of_the_same_shape(raw: bytes) -> None:
    async with opened(services()) as door:
        answer = await spoken_to(door, raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"X-Request-Id: req_" in head
    assert b'"code":"invalid_request"' in body


async def test_an_access_token_opens_the_users_plane_as_well() -> None:
    async with opened(services()) as door:
        headers = {"Authorization": f"bearer {OPERATOR_TOKEN}"}
        assert (await door.ask("GET", "/v1/models", headers=headers)).status == 200
