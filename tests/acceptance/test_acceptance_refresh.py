"""Refresh tokens of a real gateway that is killed: no answer is lost, and no token comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters import secrets
from tests.gateway_process import Gateway, gateway
from tests.http_reply import Reply

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def first_token(house: Gateway) -> str:
    passkey = (house.data_dir / secrets.FOLDER / secrets.FILE).read_text()
    body = {"operator_secret": passkey}
    return str((await house.call("POST", "/management/v1/auth/token", body)).data["refresh_token"])


async def refresh(house: Gateway, token: str) -> Reply:
    return await house.call("POST", "/management/v1/auth/refresh", {"refresh_token": token})


async def test_a_successor_that_was_given_survives_a_kill(house: Gateway) -> None:
    first = await first_token(house)
    both = await asyncio.gather(*(refresh(house, first) for _ in range(4)))
    [second] = {reply.data["refresh_token"] for reply in both}
    await house.kill()
    await house.start()
    assert (await refresh(house, first)).data["refresh_token"] == second
    third = await refresh(house, second)
    assert third.status == 200
    users = "/management/v1/users"
    assert (await house.call("GET", users, token=third.data["access_token"])).status == 200
