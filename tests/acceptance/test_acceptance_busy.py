"""SIGTERM while requests wait for their place: each is told so, and none of them runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest

from tests.gateway_process import Gateway, gateway
from tests.http_reply import Reply

pytestmark = [pytest.mark.cli, pytest.mark.timeout(180)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as opened:
        yield opened


async def waits(house: Gateway, number: int) -> None:
    """Returns once so many requests wait."""
    async with asyncio.timeout(60):
        while len((await house.operator("GET", "/requests?outcome=waiting")).data) != number:
            await asyncio.sleep(0.02)


async def begun(house: Gateway, text: str) -> "asyncio.Task[Reply]":
    """A turn that has made its first file, and the request for it."""
    turn = asyncio.create_task(house.chat(f"[[write:begun.txt=1]] {text}"))
    async with asyncio.timeout(60):
        while not list((house.data_dir / "workspaces").rglob("begun.txt")):
            await asyncio.sleep(0.02)
    return turn


async def test_who_waits_is_refused_when_the_gateway_stops(house: Gateway) -> None:
    turn = await begun(house, "[[shell:sleep 1]] [[text:ended well]]")
    named = asyncio.create_task(house.chat("[[text:xyzzy]]"))
    unnamed = asyncio.create_task(house.chat("[[text:xyzzy]]", client_session_id=None))
    await waits(house, 2)
    assert await house.stop() == 0
    assert (await turn).status == 200
    for each in (await named, await unnamed):
        assert (each.status, each.code) == (503, "shutting_down")
        assert int(each.headers["Retry-After"]) > 0
    assert not any("xyzzy" in str(each.conversation) for each in house.models.requests)


async def test_a_stream_that_waits_ends_with_the_error_when_the_gateway_stops(
    house: Gateway,
) -> None:
    """It has waited for more than ten seconds, and is 200 by then."""
    turn = await begun(house, "[[shell:sleep 100]]")
    async with house.openai(timeout=60) as client:
        stream = await client.chat.completions.create(
            model="codex/gpt-5-codex",
            messages=[{"role": "user", "content": "[[text:xyzzy]]"}],
            stream=True,
        )
        stopping = asyncio.create_task(house.stop())
        with pytest.raises(openai.APIError, match="stopping"):
            async for _ in stream:
                pass
    assert await stopping == 0
    assert (await turn).code == "shutting_down"
