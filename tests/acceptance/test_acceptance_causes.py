"""What is wrong is told as what it is: a refused key, a used-up quota, a provider out of reach."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from codara.demo.modelserver import ModelServer
from tests import gateway_process
from tests.gateway_process import ACCOUNT, SECRET, Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = "<html><body>Checking your browser</body></html>"


class BehindAPortal(ModelServer):
    """A model server; while `portal` has a status, something before it answers with a page."""

    portal = 0

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.portal:
            headers = {"cf-mitigated": "challenge"}
            return web.Response(
                status=self.portal, text=PAGE, content_type="text/html", headers=headers
            )
        return await handler(request)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setattr(gateway_process, "ModelServer", BehindAPortal)
    async with gateway(tmp_path) as opened:
        yield opened


async def account_of(house: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await house.operator("GET", f"/accounts/{ACCOUNT}")).data
    return found


async def left_behind(house: Gateway) -> tuple[int, int]:
    """How many tasks and sessions there are."""
    tasks = await house.operator("GET", "/tasks")
    sessions = await house.operator("GET", "/sessions?all=true")
    return len(tasks.data), len(sessions.data)


async def test_a_refused_key_is_told_once_by_the_turn_and_then_by_refusals(house: Gateway) -> None:
    house.models.refuse_key(SECRET, "401")
    met = await house.chat("[[text:one]]")
    assert (met.status, met.code) == (502, "agent_auth_failed")
    assert met.headers["x-should-retry"] == "false"
    assert met.body["codara"] == {
        "cause": "auth_failed",
        "request_id": met.headers["X-Request-Id"],
    }
    assert "Incorrect API key" not in str(met.body)
    again = await house.chat("[[text:one]]")
    assert (again.status, again.code) == (503, "account_refused")
    assert again.headers["x-should-retry"] == "false"
    assert "Retry-After" not in again.headers
    assert "1 codex account: 1 refused by its provider" in again.body["error"]["message"]
    assert await left_behind(house) == (1, 1)
    [task] = (await house.operator("GET", "/tasks")).data
    path = f"/tasks/{task['task_id']}"
    assert "Incorrect API key" in (await house.operator("GET", path)).data["detail"]
    own = (await house.user("GET", f"/v1/user{path}")).data
    assert "detail" not in own
    assert "Incorrect API key" not in str(own)


async def test_without_an_account_nothing_is_begun(house: Gateway) -> None:
    await house.operator("DELETE", f"/accounts/{ACCOUNT}")
    refused = await house.chat("[[text:one]]")
    assert (refused.status, refused.code) == (503, "no_account")
    assert refused.headers["x-should-retry"] == "false"
    assert await left_behind(house) == (0, 0)


async def test_a_full_window_is_an_exhausted_account_until_it_ends_or_is_recovered(
    house: Gateway,
) -> None:
    assert (await house.chat("[[quota:100]] [[text:the last one]]")).status == 200
    account = await account_of(house)
    assert (account["status"], account["cause"]) == ("exhausted", "quota_exhausted")
    [full] = [each for each in account["windows"] if each["used_percent"] == 100]
    ends = (datetime.fromisoformat(each) for each in (account["until"], full["resets_at"]))
    assert len(set(ends)) == 1
    before = await left_behind(house)
    refused = await house.chat("[[text:one more]]")
    assert (refused.status, refused.code) == (429, "all_accounts_cooling")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert "1 codex account: 1 exhausted until" in refused.body["error"]["message"]
    assert await left_behind(house) == before
    recovered = await house.operator("POST", f"/accounts/{ACCOUNT}/recover", {})
    assert recovered.data["status"] == "ready"
    assert (await house.chat("[[text:one more]]")).status == 200


@pytest.mark.parametrize("status", [403, 401])
async def test_a_page_in_the_providers_place_blames_no_account(house: Gateway, status: int) -> None:
    assert isinstance(house.models, BehindAPortal)
    house.models.portal = status
    failed = await house.chat("[[text:one]]")
    assert (failed.status, failed.code) == (503, "provider_unreachable")
    said = failed.body["error"]["message"]
    assert f"the answer is not its own ({status}, text/html)" in said
    assert "127.0.0.1" not in str(failed.body)
    assert "Checking" not in str(failed.body)
    assert (await account_of(house))["status"] == "ready"
    house.models.portal = 0
    assert (await house.chat("[[text:well again]]")).status == 200


async def test_a_provider_without_an_address_is_named(house: Gateway) -> None:
    house.model_address = "http://api.nobody.invalid"
    await house.stop()
    await house.start()
    failed = await house.chat("[[text:one]]")
    assert (failed.status, failed.code) == (503, "provider_unreachable")
    assert failed.body["error"]["message"] == (
        "The gateway cannot reach api.nobody.invalid: its name is not resolved. Try again shortly."
    )
    assert (await account_of(house))["status"] == "ready"


async def test_more_text_than_codex_takes_is_refused_before_the_turn(house: Gateway) -> None:
    refused = await house.chat("x" * (2 << 20))
    assert (refused.status, refused.code) == (400, "context_length_exceeded")
    assert "1,048,576" in refused.body["error"]["message"]
    assert await left_behind(house) == (0, 0)
