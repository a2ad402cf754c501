"""A fifth runtime is a package and a line of the registry: everything else follows from them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_process import ROOT, Gateway, gateway

FIFTH = "tests.fifth_runtime"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = "[providers.toy]\nmax_processes = 2\n"
    async with gateway(tmp_path, module=FIFTH, settings=settings) as opened:
        account = {"account_id": "toys", "provider": "toy", "auth_type": "API_KEY"}
        made = await opened.operator(
            "POST", "/accounts/upload", account | {"label": "t", "credential_text": "toy-key"}
        )
        assert made.status == 201
        yield opened


async def test_a_turn_of_a_fifth_runtime_is_a_turn_as_any_other(house: Gateway) -> None:
    first = await house.chat("hello", model="toy/toy-2", client_session_id="playing")
    assert (first.status, first.body["choices"][0]["message"]["content"]) == (200, "toy-2: hello")
    assert first.body["modified_files"] == ["heard.txt"]
    second = await house.chat("again", model="uag-toy", client_session_id="playing")
    assert second.body["choices"][0]["message"]["content"] == "toy-1: again"
    assert second.body["codara"]["thread"] == "resumed"
    task = await house.operator("GET", f"/tasks/{second.body['codara']['task_id']}")
    assert (task.data["provider"], task.data["account_id"]) == ("toy", "toys")


async def test_the_models_of_a_fifth_runtime_are_listed_with_its_alias(house: Gateway) -> None:
    listed = await house.user("GET", "/v1/user/providers/models?provider=toy")
    assert [model["id"] for model in listed.data] == ["toy/toy-1", "toy/toy-2", "uag-toy"]
    assert (await house.user("GET", "/v1/models/toy-2")).body["owned_by"] == "toy"


async def ran(*words: str) -> tuple[int | None, str]:
    """How a command of a codara with a fifth runtime ended, and all it said."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", FIFTH, *words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    return child.returncode, said.decode()


async def test_the_demo_offers_no_runtime_that_it_cannot_show() -> None:
    code, said = await ran("demo", "--once", "--provider", "toy")
    assert code == 2
    assert "invalid choice: 'toy'" in said
    assert "Traceback" not in said


async def test_the_settings_and_the_commands_know_a_fifth_runtime(tmp_path: Path) -> None:
    (tmp_path / "codara.toml").write_text('[providers.toy]\ndefault_model = "toy-2"\n')
    code, said = await ran("config", "show", "--config", str(tmp_path / "codara.toml"))
    assert code == 0
    assert "toy-2" in said
    _, said = await ran("account", "add", "--help")
    assert "codex,gemini,opencode,claude,toy" in said
