"""Versions of the agents' programs, and what is said of those nobody has tried."""

import json
import logging
import re
from pathlib import Path

import pytest

from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.pool.versions import Versions, is_tested
from codara.adapters.agents.registry import runtimes
from codara.config.providers import Providers
from codara.demo.tools import checkout
from codara.errors import AgentFailed
from tests.agent_pool import an_idle_house
from tests.fakes.runtime import ProgramRuntime

PACKAGES = {
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
    "claude": "@anthropic-ai/claude-code",
}


@pytest.mark.parametrize(
    ("said", "tested", "known"),
    [
        ("codex-cli 0.169.0", "0.169", True),
        ("0.169", "0.169", True),
        ("0.169.0-linux-x64", "0.169", True),
        ("2.1.197 (Claude Code)", "2.1", True),
        ("2.10.1", "2.1", False),
        ("0.170.0", "0.169", False),
        ("who knows", "0.169", False),
    ],
)
def test_a_version_is_known_by_its_first_numbers(said: str, tested: str, known: bool) -> None:
    assert is_tested(said, tested) is known


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_pinned_versions_are_the_tested_ones(name: str) -> None:
    project = checkout()
    assert project is not None
    pinned = json.loads((project / "agents" / "package.json").read_text())["dependencies"]
    house = an_idle_house(Homes(Path("/nowhere")))
    tested = runtimes(Providers(), house)[name].tested
    assert is_tested(pinned[PACKAGES[name]], tested)
    assert re.fullmatch(r"\d+\.\d+", tested)


async def looked_at(*found: ProgramRuntime) -> None:
    versions = Versions()
    for each in found:
        versions.look(each)
    while any(not each.asked for each in found[:1]) or versions._looking:
        await next(iter(versions._looking))
    await versions.close()


async def test_an_unknown_version_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    runtime = ProgramRuntime(says="codex-cli 9.9")
    await looked_at(runtime, runtime)
    assert runtime.asked == 1
    assert [record.message for record in caplog.records] == [
        "codex: version codex-cli 9.9 was never tried (known: 0.169)"
    ]


async def test_a_known_version_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    await looked_at(ProgramRuntime(says="codex-cli 0.169.2"))
    assert caplog.records == []


async def test_a_program_without_a_version_is_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    await looked_at(ProgramRuntime(says=AgentFailed("it hung")))
    assert [record.message for record in caplog.records] == [
        "codex does not tell its version: it hung"
    ]


def test_what_is_no_real_runtime_is_not_looked_at() -> None:
    Versions().look(object())
