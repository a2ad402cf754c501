"""Every CLI: what a model server refuses has its cause and is never a success."""

from typing import Any

import pytest

from codara.application.ports.agents import Outcome
from codara.application.ports.frames import RetryNotice, ToolStarted
from tests.cli_scenes import Scene, alone, everywhere, staying
from tests.fakes.sink import Listener

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

CAUSES = {
    "401": "auth_failed",
    "429": "rate_limited",
    "429quota": "quota_exhausted",
    "500": "overloaded",
    "503": "overloaded",
    "drop": "cut_stream",
    "cut": "cut_stream",
    "context": "context_full",
    "nomodel": "unknown_model",
}


ENDS = {"length": "length", "filter": "content_filter"}
ends = pytest.mark.parametrize("kind", ENDS)
"""Why a provider ends an answer early."""


def each(*usual: str) -> pytest.MarkDecorator:
    """All failures; those that are not named here only in the long torture."""
    cases = [pytest.param(kind, marks=() if kind in usual else pytest.mark.soak) for kind in CAUSES]
    return pytest.mark.parametrize("kind", cases)


async def fails(scene: Scene, prompt: str, kind: str, **changes: Any) -> tuple[Outcome, Listener]:
    """Runs a turn that has to fail so."""
    outcome, heard = await scene.run(prompt, stall_timeout=60.0, **changes)
    assert outcome.status == "failed"
    assert outcome.cause == CAUSES[kind]
    assert outcome.message
    assert heard.text in ("", "This answer ", "This answer breaks off")
    if kind in scene.cli.when:
        assert outcome.resets_at is not None
    return outcome, heard


@staying
@each(*(kind for kind in CAUSES if kind != "503"))
async def test_a_failure_has_its_cause_and_the_process_stays(scene: Scene, kind: str) -> None:
    first, _ = await scene.run("hello")
    started = scene.starts
    outcome, heard = await fails(scene, f"[[fail:{kind}]]", kind, backend_id=first.backend_id)
    assert outcome.backend_id == first.backend_id
    assert bool(heard.of(RetryNotice)) == (kind in scene.cli.retried)
    thread = None if kind in scene.cli.spoiling else first.backend_id
    again, heard = await scene.run("[[text:fine]]", backend_id=thread)
    assert (again.status, heard.text) == ("completed", "fine")
    assert thread in (None, again.backend_id)
    assert (scene.starts, scene.den.journal.killings) == (started, [])


@alone
@each("429quota", "cut")
async def test_a_process_of_its_own_fails_with_the_same_causes(scene: Scene, kind: str) -> None:
    await fails(scene, f"[[fail:{kind}]]", kind)


@everywhere
@each("401", "drop", "context")
async def test_a_failure_behind_a_tool_is_no_success(scene: Scene, kind: str) -> None:
    _, heard = await fails(scene, f"[[write:a.txt]] [[fail:{kind}]]", kind)
    assert heard.of(ToolStarted)


@everywhere
async def test_a_server_that_fails_once_fails_nothing(scene: Scene) -> None:
    outcome, heard = await scene.run("[[fail:500*1]] [[text:recovered]]")
    assert (outcome.status, heard.text) == ("completed", "recovered")


@everywhere
@pytest.mark.parametrize("silence", ["[[hang:mid]]", "[[hang:none]]"])
async def test_a_server_that_falls_silent_stalls_the_turn(scene: Scene, silence: str) -> None:
    first, _ = await scene.run("one")
    told = {"backend_id": first.backend_id}
    patience = 1.5 if scene.stays else 10.0
    outcome, _ = await scene.run(silence, stall_timeout=patience, **told)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    again, heard = await scene.run("[[history]]", **told)
    assert (again.status, again.backend_id) == ("completed", first.backend_id)
    assert heard.text.splitlines()[1] == "1. one"


@everywhere
@ends
async def test_an_answer_the_provider_cut_says_so_or_fails(scene: Scene, kind: str) -> None:
    outcome, heard = await scene.run(f"[[text:half of it]] [[end:{kind}]]")
    if kind in scene.cli.cut:
        assert (outcome.status, outcome.finish_reason) == ("completed", ENDS[kind])
    else:
        assert (outcome.status, outcome.cause) == ("failed", ENDS[kind])
    assert heard.text.startswith("half of it")


@everywhere
@ends
async def test_an_answer_of_no_words_that_was_cut_is_a_failure(scene: Scene, kind: str) -> None:
    outcome, heard = await scene.run(f"[[text:]] [[end:{kind}]]")
    assert (outcome.status, outcome.cause, heard.text) == ("failed", ENDS[kind], "")
    assert outcome.message


@everywhere
async def test_an_end_that_nobody_knows_is_no_success(scene: Scene) -> None:
    outcome, _ = await scene.run(f"[[text:half of it]] [[end:{scene.cli.odd}]]")
    assert outcome.status == "failed"
    assert outcome.message
