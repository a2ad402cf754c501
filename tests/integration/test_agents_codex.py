"""The real codex CLI, in a real jail, against the scripted model server."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
from aiohttp import web

from codara.adapters.agents.codex.config import native_program
from codara.adapters.agents.programs import REMEDY, find_program, project_folders
from codara.adapters.agents.settings import AgentSettings
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    QuotaSeen,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from codara.demo.modelserver import ModelServer
from codara.errors import AgentFailed
from tests.agenting import SECRET, Den, Listener, a_den
from tests.jailing import need_bubblewrap

pytestmark = pytest.mark.cli

PATCHING = "gpt-6-astra"
"""A model of the CLI's catalogue: its tools are called through JavaScript and patches."""
PLAIN = "some-model"
"""A model the CLI does not know: its only tool is the shell."""


@attrs.frozen
class Scene:
    den: Den
    server: ModelServer
    settings: AgentSettings


@pytest.fixture(scope="session", autouse=True)
def codex_is_there() -> None:
    """Fails, with the remedy, where there is no CLI; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_CLI") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_CLI=1")
    need_bubblewrap()
    try:
        find_program(
            "codex",
            setting="PATH",
            remedy=REMEDY,
            follow=native_program,
            places=project_folders(),
        )
    except AgentFailed as missing:
        pytest.fail(f"{missing}, or set CODARA_TEST_WITHOUT_CLI=1 to leave these tests out")


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder outside /tmp, where codex refuses to keep its helpers, if there is one."""
    above = Path("/var/lib") if os.access("/var/lib", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="codara-test-", dir=above))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def server() -> AsyncIterator[tuple[ModelServer, str]]:
    model_server = ModelServer()
    runner = web.AppRunner(
        model_server.application(), handler_cancellation=True, shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield model_server, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


@pytest.fixture
async def scene(
    root: Path, server: tuple[ModelServer, str], request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    transport = getattr(request, "param", "persistent")
    settings = AgentSettings(
        binary="codex", base_url=server[1], transport=transport, default_model=PATCHING
    )
    async with a_den(root, settings, walls=True) as den:
        yield Scene(den, server[0], settings)


both = pytest.mark.parametrize("scene", ["persistent", "process"], indirect=True)


async def test_the_answer_comes_in_deltas_and_the_key_stays_outside(scene: Scene) -> None:
    outcome, heard = await scene.den.run("hello")
    assert (outcome.status, outcome.jailed) == ("completed", True)
    assert len(heard.of(TextDelta)) > 3
    assert heard.text.startswith("Hello! I am the scripted model")
    assert heard.usage is not None and heard.usage.input == 120
    assert [seen.authorization for seen in scene.server.requests] == [f"Bearer {SECRET}"]
    assert not any(SECRET.encode() in line for line in heard.lines)


@both
@pytest.mark.parametrize("model", [PATCHING, PLAIN])
async def test_the_agent_changes_the_workspace(scene: Scene, model: str) -> None:
    prompt = "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[think:hm]] [[text:Done]]"
    outcome, heard = await scene.den.run(prompt, model=model)
    assert outcome.status == "completed"
    assert (scene.den.workspace() / "sub" / "a.txt").read_text().strip() == "two"
    assert heard.text == "Done"
    assert len(heard.of(ToolStarted)) == len(heard.of(ToolFinished)) == 2
    assert "".join(seen.text for seen in heard.of(ReasoningDelta)) == "hm"
    if model == PATCHING:
        path = str(scene.den.workspace() / "sub" / "a.txt")
        assert heard.of(FileHint) == [FileHint((path,))]


@both
async def test_a_thread_goes_on_in_the_next_turn(scene: Scene) -> None:
    first, _ = await scene.den.run("hello")
    second, heard = await scene.den.run("[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert heard.usage is not None and heard.usage.input == 120


@both
async def test_a_thread_goes_on_in_another_process(scene: Scene) -> None:
    first, _ = await scene.den.run("hello")
    started = scene.den.journal.started_jails
    await scene.den.pool.close_home("wsp_1")
    second, heard = await scene.den.run("[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.text.startswith("user messages: 2\n")
    assert heard.usage is not None and heard.usage.input == 120
    assert scene.den.journal.started_jails == started + 1


@both
@pytest.mark.parametrize("thread", ["00000000-0000-4000-8000-000000000000"])
async def test_an_unknown_thread_is_replaced_by_a_fresh_one(scene: Scene, thread: str) -> None:
    outcome, heard = await scene.den.run("[[history]]", backend_id=thread)
    assert outcome.status == "completed"
    assert outcome.backend_id != thread
    assert "fresh_thread" in heard.warnings
    assert heard.text == "user messages: 1\n1. [[history]]"


async def test_instructions_are_heard_also_when_they_change(scene: Scene) -> None:
    first, heard = await scene.den.run("[[instructions]]", instructions="Speak like a pirate")
    assert "Speak like a pirate" in heard.text
    _, heard = await scene.den.run(
        "[[instructions]]", instructions="Speak like a judge", backend_id=first.backend_id
    )
    assert heard.text.rstrip().endswith("Speak like a judge")
    await scene.den.pool.close_home("wsp_1")
    _, heard = await scene.den.run(
        "[[instructions]]", instructions="Speak like a child", backend_id=first.backend_id
    )
    assert heard.text.rstrip().endswith("Speak like a child")


FAILURES = {
    "401": "auth_failed",
    "429": "rate_limited",
    "429quota": "quota_exhausted",
    "500": "overloaded",
    "503": "overloaded",
    "drop": "cut_stream",
    "context": "context_full",
    "nomodel": "unknown_model",
}


@both
@pytest.mark.parametrize("kind", FAILURES)
async def test_a_failure_has_its_cause_and_the_next_turn_works(scene: Scene, kind: str) -> None:
    outcome, heard = await scene.den.run(f"[[fail:{kind}]]")
    assert (outcome.status, outcome.cause) == ("failed", FAILURES[kind])
    assert outcome.message
    if kind == "429quota":
        assert outcome.resets_at is not None
        assert heard.of(QuotaSeen)[-1].windows[0].used_percent == 100
    if kind == "429":
        assert outcome.resets_at is not None
    if kind != "context":
        outcome, _ = await scene.den.run("[[text:fine]]", backend_id=outcome.backend_id)
        assert outcome.status == "completed"


async def test_a_server_that_fails_once_fails_nothing(scene: Scene) -> None:
    outcome, heard = await scene.den.run("[[fail:500*1]] [[text:recovered]]")
    assert (outcome.status, heard.text) == ("completed", "recovered")


async def test_the_quota_is_seen(scene: Scene) -> None:
    _, heard = await scene.den.run("[[quota:87]] [[text:fine]]")
    (seen,) = heard.of(QuotaSeen)
    assert [(w.name, w.used_percent, w.minutes) for w in seen.windows] == [
        ("primary", 87, 300),
        ("secondary", 43.5, 10080),
    ]


@both
async def test_a_server_that_falls_silent_stalls_the_turn(scene: Scene) -> None:
    outcome, _ = await scene.den.run("[[hang:mid]]", stall_timeout=0.7)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    outcome, heard = await scene.den.run("[[history]]", backend_id=outcome.backend_id)
    assert outcome.status == "completed"
    assert heard.text.startswith("user messages: 2\n")


@both
async def test_cancelling_a_running_tool_leaves_no_process_behind(scene: Scene) -> None:
    await _cancel(scene, "[[shell:sleep 60; echo late > late.txt]]", ToolStarted)
    assert scene.den.journal.killings == ["cancelled"]
    assert not Path(f"/proc/{scene.den.journal.pids[-1]}").exists()
    outcome, _ = await scene.den.run("hello")
    assert outcome.status == "completed"


async def test_cancelling_an_answer_keeps_the_process(scene: Scene) -> None:
    await _cancel(scene, "[[hang:mid]]", TextDelta)
    assert scene.den.journal.killings == []
    outcome, _ = await scene.den.run("hello")
    assert outcome.status == "completed"
    assert scene.den.journal.started_jails == 1


async def test_a_process_killed_in_the_middle_of_a_turn_has_crashed(scene: Scene) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(ToolStarted, seen)
    turn = scene.den.turn("[[shell:sleep 60]]")
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    os.kill(scene.den.journal.pids[-1], 9)
    outcome = await task
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    again, _ = await scene.den.run("hello", backend_id=outcome.backend_id)
    assert (again.status, again.backend_id) == ("completed", outcome.backend_id)


async def test_a_process_left_in_the_background_ends_with_its_turn(scene: Scene) -> None:
    outcome, _ = await scene.den.run("[[shell:setsid sleep 60 > /dev/null 2>&1 &]] [[text:ok]]")
    assert outcome.status == "completed"
    assert scene.den.journal.killings == ["a tool outlived its turn"]


async def test_a_read_only_workspace_stays_as_it_is(scene: Scene) -> None:
    outcome, _ = await scene.den.run("[[write:a.txt]] [[text:tried]]", read_only=True)
    assert outcome.status == "completed"
    assert list(scene.den.workspace().iterdir()) == []


@both
async def test_two_workspaces_work_at_once_and_share_nothing(scene: Scene) -> None:
    prompt = "[[write:mine.txt]] [[shell:ls -a ~ /]] [[history]]"
    results = await asyncio.gather(
        *(scene.den.run(prompt, workspace_id=f"wsp_{at}") for at in range(2))
    )
    assert [outcome.status for outcome, _ in results] == ["completed", "completed"]
    assert len({outcome.backend_id for outcome, _ in results}) == 2
    for at, (_, heard) in enumerate(results):
        assert heard.text.startswith("user messages: 1\n")
        assert not any(f"wsp_{1 - at}".encode() in line for line in heard.lines)


async def test_the_cli_lists_its_models_in_the_background(scene: Scene) -> None:
    assert await scene.den.pool.models("codex") == (PATCHING,)
    await scene.den.run("hello")
    async with asyncio.timeout(10):
        while len(await scene.den.pool.models("codex")) < 2:
            await asyncio.sleep(0)


async def _cancel(scene: Scene, prompt: str, sign: type) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(sign, seen)
    task = asyncio.create_task(scene.den.pool.run(scene.den.turn(prompt), listener))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
