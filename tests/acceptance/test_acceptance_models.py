"""The models that the real CLIs list, on a gateway that never ran a turn."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_process import CODEX, Gateway, gateway

pytestmark = [pytest.mark.cli, pytest.mark.timeout(300)]

LISTED = {"codex": "codex/gpt-5.5", "gemini": "gemini/gemini-3-flash-preview"}
LEARNING_SECONDS = 120.0


def blocks(*providers: str, transport: str = "auto") -> str:
    told = (f'binary = "{CODEX.parent / name}"\ntransport = "{transport}"' for name in providers)
    return "".join(
        f"[providers.{name}]\n{each}\n" for name, each in zip(providers, told, strict=True)
    )


@pytest.fixture(params=["auto", "process"])
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    settings = blocks("gemini", "claude", transport=request.param)
    provider = f'transport = "{request.param}"'
    async with gateway(tmp_path, provider=provider, settings=settings) as opened:
        yield opened


async def models(house: Gateway) -> set[str]:
    return {model["id"] for model in (await house.user("GET", "/v1/models")).body["data"]}


async def listed(house: Gateway, *names: str) -> None:
    """Waits until they are."""
    async with asyncio.timeout(LEARNING_SECONDS):
        while not set(names) <= await models(house):
            await asyncio.sleep(0.1)


async def lend(house: Gateway, provider: str) -> None:
    account = {"account_id": f"acc-{provider}", "provider": provider, "auth_type": "API_KEY"}
    uploaded = account | {"label": provider, "credential_text": f"sk-{provider}"}
    assert (await house.operator("POST", "/accounts/upload", uploaded)).status == 201


async def jails(house: Gateway) -> list[str]:
    """The homes of all jails that were ever started, first ones first."""
    told = await house.operator("GET", "/audit?limit=200&action=jail.started")
    return [str(each["target_id"]) for each in reversed(told.data)]


async def test_the_clis_own_models_are_listed_before_any_turn_and_after_a_restart(
    house: Gateway,
) -> None:
    assert "gemini/gemini-2.5-pro" not in await models(house)
    everything = (await house.user("GET", "/v1/models?all=true")).body["data"]
    assert "gemini/gemini-2.5-pro" in {model["id"] for model in everything}
    await lend(house, "gemini")
    await listed(house, *LISTED.values())
    assert (await house.user("GET", "/v1/models/gpt-5.5")).body["owned_by"] == "codex"
    assert len(await jails(house)) == 2
    await house.stop()
    await house.start()
    assert set(LISTED.values()) <= await models(house)
    await lend(house, "claude")
    await listed(house, "claude/sonnet[1m]")
    assert len(await jails(house)) == 3
    assert not house.models.paths
    mine = await house.user("GET", "/v1/user/providers/models?provider=gemini")
    assert LISTED["gemini"] in {model["id"] for model in mine.data}


async def test_a_bare_name_goes_to_the_agent_that_lists_it(tmp_path: Path) -> None:
    async with gateway(tmp_path) as house:
        await house.stop()
        house.settings = blocks("gemini") + f'base_url = "{house.model_address}"\n'
        await house.start()
        await lend(house, "gemini")
        await listed(house, LISTED["gemini"])
        reply = await house.chat("[[text:here]]", model="gemini-3-flash-preview")
        assert reply.body["choices"][0]["message"]["content"] == "here"
        [task] = (await house.operator("GET", "/tasks?limit=1")).data
    assert (task["provider"], task["model"]) == ("gemini", "gemini-3-flash-preview")


async def test_an_agent_whose_program_is_missing_is_not_listed(tmp_path: Path) -> None:
    missing = '[providers.gemini]\nbinary = "/nowhere/gemini"\n'
    async with gateway(tmp_path, settings=missing) as house:
        names = await models(house)
        assert "uag-codex" in names
        assert not {name for name in names if "gemini" in name.split("/")[0]}
        refused = await house.chat("hello", model="uag-gemini")
        assert refused.status >= 400
