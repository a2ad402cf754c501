"""Turns of a claude that behaves badly, in processes without walls."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from codara.adapters.agents.claude.runtime import ClaudeRuntime
from codara.adapters.agents.settings import AgentSettings
from codara.application.ports.frames import TextDelta
from codara.clock import utc_now
from codara.errors import AgentFailed
from tests.agenting import Den, Listener, a_den_of

FAKE = Path(__file__).parents[1] / "programs" / "fake_claude.py"


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    options, transport = getattr(request, "param", ("", "auto"))
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\nexec {FAKE} "$@" {options}\n')
    launcher.chmod(0o755)
    settings = AgentSettings(binary=str(launcher), transport=transport)
    async with a_den_of(tmp_path, lambda house: ClaudeRuntime(settings, house), walls=False) as den:
        yield den


async def test_a_well_behaved_claude_keeps_its_process(den: Den) -> None:
    first, _ = await den.run("hello")
    second, heard = await den.run("again", backend_id=first.backend_id)
    assert (second.status, second.backend_id) == ("completed", first.backend_id)
    assert heard.text == "You said: again"
    assert heard.usage is not None
    assert heard.usage.raw["cost_usd"] == pytest.approx(0.1)
    assert den.journal.started_jails == 1


@pytest.mark.parametrize("den", [("--old", "auto")], indirect=True)
async def test_a_claude_that_does_not_stay_gets_a_process_per_turn(den: Den) -> None:
    first, heard = await den.run("hello")
    assert (first.status, heard.text) == ("completed", "You said: hello")
    second, _ = await den.run("again", backend_id=first.backend_id)
    assert (second.status, second.backend_id) == ("completed", first.backend_id)
    await den.run("and again", backend_id=first.backend_id)
    assert not den.pool.takes_images("claude")
    await den.run("once more", backend_id=first.backend_id)
    assert den.journal.started_jails == 3 + 4


@pytest.mark.parametrize("den", [("--old", "persistent")], indirect=True)
async def test_a_claude_that_must_stay_and_does_not_is_a_named_failure(den: Den) -> None:
    with pytest.raises(AgentFailed, match="claude did not start: error: unknown option"):
        await den.run("hello")


@pytest.mark.parametrize("den", [("--banner", "auto")], indirect=True)
async def test_a_banner_before_the_protocol_is_only_complained_about(den: Den) -> None:
    outcome, heard = await den.run("hello")
    assert outcome.status == "completed"
    assert heard.warnings == ["ignored 1 lines that are no JSON objects"]


async def test_garbage_between_the_lines_fails_nothing(den: Den) -> None:
    outcome, heard = await den.run("[[garbage]] [[badutf8]] [[text:fine]]")
    assert (outcome.status, heard.text) == ("completed", "fine")
    assert heard.warnings == ["ignored 2 lines that are no JSON objects"]


@pytest.mark.parametrize(
    ("prompt", "cause"),
    [
        ("[[text:x]] [[half]]", "crashed"),
        ("[[exit:3]]", "crashed"),
        ("[[exit:0]]", "crashed"),
        ("[[endless]]", "protocol"),
        ("[[cut]]", "cut_stream"),
        ("[[twice]]", "cut_stream"),
        ("[[moved]]", "protocol"),
    ],
)
async def test_no_broken_turn_of_claude_is_a_success(den: Den, prompt: str, cause: str) -> None:
    outcome, _ = await den.run(prompt)
    assert (outcome.status, outcome.cause) == ("failed", cause)
    outcome, _ = await den.run("hello")
    assert outcome.status == "completed"


async def test_a_claude_that_asks_is_refused_and_goes_on(den: Den) -> None:
    outcome, heard = await den.run("[[asks]]")
    assert (outcome.status, heard.text) == ("completed", "refused: nobody is asked here")


@pytest.mark.parametrize(("kind", "killings"), [("silence", []), ("deaf", ["stalled"])])
async def test_a_silent_claude_is_interrupted_and_a_deaf_one_killed(
    den: Den, kind: str, killings: list[str]
) -> None:
    outcome, _ = await den.run(f"[[{kind}]]", stall_timeout=0.3)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    assert den.journal.killings == killings


async def test_a_turn_of_claude_that_takes_too_long_is_ended(den: Den) -> None:
    await den.run("hello")
    until = utc_now() + timedelta(seconds=1)
    outcome, _ = await den.run("[[silence]]", until=until, stall_timeout=0.0)
    assert (outcome.status, outcome.cause) == ("failed", "timeout")


async def test_a_cancelled_turn_kills_a_claude_that_does_not_listen(den: Den) -> None:
    seen = asyncio.Event()
    turn = den.turn("[[deaf]]")
    task = asyncio.create_task(den.pool.run(turn, Listener().hope(TextDelta, seen)))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert den.journal.killings == ["cancelled"]


async def test_a_child_that_ignores_signals_ends_with_its_turn(den: Den) -> None:
    outcome, _ = await den.run("[[child]] [[text:done]]")
    assert outcome.status == "completed"
    outcome, _ = await den.run("hello", backend_id=outcome.backend_id)
    assert outcome.status == "completed"
    assert den.journal.started_jails == 2


async def test_a_missing_claude_is_named_with_its_remedy(tmp_path: Path) -> None:
    settings = AgentSettings(binary="/nowhere/claude")
    async with a_den_of(tmp_path, lambda house: ClaudeRuntime(settings, house), walls=False) as den:
        with pytest.raises(AgentFailed, match=r"npm install .* providers\.claude\.binary"):
            await den.run("hello")
