"""The real CLIs where something around them is wrong: homes, model servers, models."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codara.adapters.agents.registry import maker
from codara.application.ports.frames import RetryNotice
from codara.config.providers import Provider
from tests.agent_pool import Den, a_den_of
from tests.cli_scenes import CLIS, Cli, Scene, need, staying
from tests.scripted_agents import a_model_server

pytestmark = pytest.mark.cli

NOBODY_LISTENS = "http://127.0.0.1:9"
STRANGE = "a-model-of-tomorrow"
PATIENT = ("gemini", "opencode")
"""These wait for seconds before they ask a second time."""


long = [
    pytest.param(cli, id=cli.name, marks=[pytest.mark.soak] if cli.name in PATIENT else [])
    for cli in CLIS
]
each = pytest.mark.parametrize("cli", CLIS, ids=lambda cli: cli.name)


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder outside /tmp, where codex refuses to keep its helpers, if there is one."""
    above = Path("/var/lib") if os.access("/var/lib", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="codara-test-", dir=above))
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def a_real_den(root: Path, cli: Cli, address: str) -> AsyncIterator[Den]:
    need(cli)
    told = Provider(binary=cli.name, base_url=address + cli.path, transport="persistent")
    async with a_den_of(root, lambda house: maker(cli.name)(told, house), walls=True) as den:
        yield den


@pytest.mark.parametrize("cli", long)
async def test_a_model_server_that_does_not_answer_is_named(root: Path, cli: Cli) -> None:
    async with a_real_den(root, cli, NOBODY_LISTENS) as den:
        outcome, heard = await den.run("hello", model=cli.model)
    assert (outcome.status, outcome.cause, heard.text) == ("failed", "unreachable", "")
    assert outcome.told == (
        "The gateway cannot reach the provider's server: "
        "the connection fails (Connection refused). Try again shortly."
    )
    assert cli.name != "gemini" or heard.of(RetryNotice)


@staying
@pytest.mark.asyncio(loop_scope="session")
async def test_a_model_the_cli_does_not_know_is_for_the_provider_to_know(scene: Scene) -> None:
    outcome, heard = await scene.run("[[text:so it is]]", model=STRANGE)
    assert (outcome.status, heard.text) == ("completed", "so it is")
    assert scene.server.requests[-1].conversation.model == STRANGE
    outcome, _ = await scene.run("[[fail:nomodel]]", model=STRANGE)
    assert (outcome.status, outcome.cause) == ("failed", "unknown_model")
    assert STRANGE in outcome.message


@each
async def test_a_home_the_agent_cannot_write_to_is_opened_for_it_again(
    root: Path, cli: Cli
) -> None:
    home = root / "homes" / "wsp_1" / cli.name
    for folder in (home / f".{cli.name}", home, home.parent):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o555 if folder != home.parent else 0o700)
    async with a_model_server() as address, a_real_den(root, cli, address) as den:
        outcome, heard = await den.run("[[text:so it is]]", model=cli.model)
    assert (outcome.status, heard.text) == ("completed", "so it is"), outcome
