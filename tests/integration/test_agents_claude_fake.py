"""Turns of a scripted claude, without walls; what holds for every agent is elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agent_pool import Den
from tests.scripted_agents import a_scripted_den


@pytest.fixture
async def den(tmp_path: Path) -> AsyncIterator[Den]:
    async with a_scripted_den(tmp_path, "claude") as den:
        yield den


async def test_a_well_behaved_claude_keeps_its_process(den: Den) -> None:
    first, _ = await den.run("hello")
    second, heard = await den.run("again", backend_id=first.backend_id)
    assert (second.status, second.backend_id) == ("completed", first.backend_id)
    assert heard.text == "You said: again"
    assert heard.usage is not None
    assert heard.usage.raw.newest[-1]["cost_usd"] == pytest.approx(0.1)
    assert den.journal.started_jails == 1


@pytest.mark.parametrize("prompt", ["[[cut]]", "[[twice]]"])
async def test_a_message_without_its_end_is_no_success(den: Den, prompt: str) -> None:
    outcome, _ = await den.run(prompt)
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert "broke off" in outcome.message


async def test_a_claude_that_asks_is_refused_and_goes_on(den: Den) -> None:
    outcome, heard = await den.run("[[asks]]")
    assert (outcome.status, heard.text) == ("completed", "refused: nobody is asked here")
