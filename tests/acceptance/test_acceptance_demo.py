"""The demo of each agent: two turns of one session through the official client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codara.demo import run
from codara.demo.agents import AGENTS

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]


@pytest.mark.parametrize("provider", AGENTS)
async def test_the_demo_writes_a_file_and_then_changes_it(
    provider: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @asynccontextmanager
    async def folder(_: Path | None) -> AsyncIterator[Path]:
        yield tmp_path / "demo"

    monkeypatch.setattr(run, "fresh_folder", folder)
    assert await run.demo(port=0, once=True, provider=provider)
    said = capsys.readouterr().out
    assert "+Written by the scripted model." in said
    assert "+A line added by the scripted model." in said
    assert "thread new]" in said and "thread resumed]" in said
    assert said.count("session.turn_completed") == 2
