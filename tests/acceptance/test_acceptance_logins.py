"""A login is lent like a key; the gateway alone refreshes it, and says so."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.gateway_process import ACCOUNT, SECRET, Gateway, gateway
from tests.http_reply import Reply
from tests.login_files import CHATGPT_ACCOUNT, access_token, chatgpt

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]

LOGIN = "acc-login"
ENDED = datetime.now(UTC) - timedelta(hours=1)
FAR = datetime.now(UTC) + timedelta(days=5)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose codex logins go to the model server, and are refreshed there."""
    async with gateway(tmp_path, provider="") as opened:
        await opened.stop()
        opened.provider = (
            f'login_base_url = "{opened.model_address}/backend-api/codex"\n'
            f'oauth_url = "{opened.model_address}/oauth/token"'
        )
        yield await opened.start()


async def hand_in(house: Gateway, login: dict[str, Any]) -> Reply:
    account = {
        "account_id": LOGIN,
        "provider": "codex",
        "auth_type": "OAUTH_SESSION",
        "label": "a ChatGPT login",
        "credential_text": json.dumps(login),
    }
    reply = await house.operator("POST", "/accounts/upload", account)
    assert reply.status == 201, reply.body
    return reply


async def alone(house: Gateway) -> None:
    """The login is the only account."""
    await house.operator("DELETE", f"/accounts/{ACCOUNT}")


async def refreshes(house: Gateway) -> int:
    listed = await house.operator("GET", "/audit?action=account.token_refreshed")
    return len(listed.data)


def shown(house: Gateway) -> list[str]:
    return [seen.authorization.removeprefix("Bearer ") for seen in house.models.requests]


async def test_a_login_is_lent_and_only_the_provider_sees_it(house: Gateway) -> None:
    login = chatgpt(FAR)
    await hand_in(house, login)
    await alone(house)
    answered = await house.chat("[[text:one]]")
    assert answered.status == 200, answered.body
    assert shown(house) == [access_token(login)]
    assert house.models.requests[0].headers["chatgpt-account-id"] == CHATGPT_ACCOUNT
    kept = await asyncio.to_thread(all_files, house.data_dir)
    for secret in login["tokens"].values():
        assert secret.encode() not in kept
        assert secret not in house.output()


def all_files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_an_expired_login_is_refreshed_once_for_two_turns_at_once(house: Gateway) -> None:
    house.models.logins.refresh_tokens.add("refresh-0")
    await hand_in(house, chatgpt(ENDED))
    await alone(house)
    answers = await asyncio.gather(
        *(house.chat("[[text:hi]]", workspace_id=name) for name in ("a", "b"))
    )
    assert [each.status for each in answers] == [200, 200], [each.body for each in answers]
    assert [asked.refresh_token for asked in house.models.logins.asked] == ["refresh-0"]
    assert set(shown(house)) == set(house.models.logins.issued)
    assert await refreshes(house) == 1


async def test_refreshed_tokens_outlive_a_crash_of_the_gateway(house: Gateway) -> None:
    house.models.logins.refresh_tokens.add("refresh-0")
    await hand_in(house, chatgpt(ENDED))
    await alone(house)
    assert (await house.chat("[[text:one]]")).status == 200
    await house.kill()
    await house.start()
    await hand_in(house, chatgpt(ENDED))
    assert (await house.chat("[[text:two]]")).status == 200
    assert len(house.models.logins.asked) == 1


async def test_a_login_that_is_over_gives_its_turn_to_another_account(house: Gateway) -> None:
    first = await house.chat("[[text:one]]")
    await hand_in(house, chatgpt(ENDED))
    second = await house.chat("[[history]]")
    assert second.status == 200, second.body
    assert second.body["codara"]["backend_id"] == first.body["codara"]["backend_id"]
    assert set(shown(house)) == {SECRET}
    account = (await house.operator("GET", f"/accounts/{LOGIN}")).data
    assert (account["status"], account["cause"]) == ("error", "auth_failed")
    assert "invalid_grant" in account["evidence"]
    assert "refresh-0" not in account["evidence"]


async def test_a_vendor_in_trouble_costs_the_login_one_turn_and_not_its_health(
    house: Gateway,
) -> None:
    await house.chat("[[text:one]]")
    house.models.logins.broken = 503
    await hand_in(house, chatgpt(ENDED))
    assert (await house.chat("[[text:two]]")).status == 200
    assert len(house.models.logins.asked) == 1
    assert set(shown(house)) == {SECRET}
    account = (await house.operator("GET", f"/accounts/{LOGIN}")).data
    assert account["status"] == "ready"


async def test_a_login_that_is_over_and_alone_says_what_to_do(house: Gateway) -> None:
    await hand_in(house, chatgpt(ENDED))
    await alone(house)
    refused = await house.chat("[[text:one]]")
    assert refused.code == "agent_auth_failed"
    assert "An operator must renew it" in refused.body["error"]["message"]
    task = await house.operator("GET", f"/tasks/{refused.headers['X-Codara-Task']}")
    assert "log in again with the CLI" in str(task.data)


async def test_no_login_is_in_the_log(house: Gateway) -> None:
    house.models.logins.refresh_tokens.add("refresh-0")
    await hand_in(house, chatgpt(ENDED))
    await alone(house)
    await house.chat("[[text:one]]")
    await house.stop()
    events = await asyncio.to_thread(everything, house.data_dir / "events.db")
    assert "account.token_refreshed" in events
    secrets = (access_token(chatgpt(ENDED)), *house.models.logins.issued, "refresh-")
    assert not any(secret in events for secret in secrets)


def everything(file: Path) -> str:
    with sqlite3.connect(file) as connection:
        return "\n".join(connection.iterdump())
