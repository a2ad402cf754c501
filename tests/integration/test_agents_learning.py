"""What the scripted agents list is learnt beside the turns, in a jail that ends with it."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.agent_pool import Den
from tests.scripted_agents import NAMES, TRANSPORTS, a_scripted_den, at_work

LISTED = {
    "claude": "fake-model",
    "codex": "fake-model",
    "gemini": "fake-model",
    "opencode": "codara/fake-model",
}


async def listed(den: Den, name: str) -> Sequence[str]:
    """What it lists, once that is more than it was."""
    before = await den.pool.models(den.provider)
    async with asyncio.timeout(60):
        while name not in (found := await den.pool.models(den.provider)):
            await asyncio.sleep(0.01)
    assert name not in before
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_lists_its_models_without_a_turn(
    tmp_path: Path, name: str, transport: str
) -> None:
    told = {"default_model": "the-default", "transport": transport}
    async with a_scripted_den(tmp_path, name, **told) as den:
        assert (await den.pool.models(name))[0] == "the-default"
        den.pool.learn(name)
        assert (await listed(den, LISTED[name]))[0] == "the-default"
        assert den.journal.started_jails == 1
        assert list((tmp_path / "homes").iterdir()) == []
        assert at_work(tmp_path) == []
        den.pool.learn(name)
        await den.run("hello")
        assert sum(den.pool.processes().values()) <= 1


@pytest.mark.parametrize("name", ["codex", "opencode"])
async def test_an_agent_that_lists_none_keeps_its_default_and_is_asked_again_once(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with a_scripted_den(tmp_path, name, "--dumb", default_model="the-default") as den:
        den.pool.learn(name)
        async with asyncio.timeout(60):
            while "are not known" not in caplog.text:
                await asyncio.sleep(0.01)
        for _ in range(3):
            assert (await den.run("hello"))[0].status == "completed"
        async with asyncio.timeout(60):
            while den.journal.started_jails < 3:
                await asyncio.sleep(0.01)
        assert await den.pool.models(name) in (("the-default",), ("the-default", "gpt-6-astra"))
    assert caplog.text.count("are not known") == 1


@pytest.mark.parametrize("name", NAMES)
async def test_closing_the_pool_ends_an_agent_that_is_being_asked(
    tmp_path: Path, name: str
) -> None:
    async with a_scripted_den(tmp_path, name) as den:
        den.pool.learn(name)
        async with asyncio.timeout(60):
            while not den.journal.started_jails:
                await asyncio.sleep(0)
        await den.pool.close()
        assert at_work(tmp_path) == []
        assert list((tmp_path / "homes").iterdir()) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_opencode_lists_a_model_once_a_turn_with_it_has_completed(
    tmp_path: Path, transport: str
) -> None:
    async with a_scripted_den(tmp_path, "opencode", transport=transport) as den:
        outcome, _ = await den.run("[[exit:3]]", model="typed/by-somebody")
        assert outcome.status == "failed"
        assert await den.pool.models("opencode") == ()
        outcome, _ = await den.run("hello", model="gw/that-there-is")
        assert outcome.status == "completed"
        assert await den.pool.models("opencode") == ("gw/that-there-is",)
