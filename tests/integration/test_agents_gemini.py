"""The real gemini CLI, in a real jail, against the scripted model server."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web

from codara.adapters.agents.gemini.program import find_gemini
from codara.adapters.agents.gemini.runtime import GeminiRuntime
from codara.adapters.agents.settings import AgentSettings
from codara.application.ports.agents import Image, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    ReasoningDelta,
    RetryNotice,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from codara.demo.modelserver import ModelServer
from codara.errors import AgentFailed
from tests.agenting import SECRET, Den, Listener, a_den_of
from tests.jailing import need_bubblewrap

pytestmark = pytest.mark.cli

MODEL = "gemini-2.5-pro"
NOBODY = "00000000-0000-4000-8000-000000000000"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "78da63f8cfc0000003010100f7033a410000000049454e44ae426082"
)


@attrs.frozen
class Scene:
    den: Den
    server: ModelServer
    settings: AgentSettings


@pytest.fixture(scope="session", autouse=True)
def gemini_is_there() -> None:
    """Fails, with the remedy, where there is no CLI; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_CLI") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_CLI=1")
    need_bubblewrap()
    try:
        find_gemini("gemini")
    except AgentFailed as missing:
        pytest.fail(f"{missing}, or set CODARA_TEST_WITHOUT_CLI=1 to leave these tests out")


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="codara-test-"))
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
    yield model_server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def scene(
    root: Path, server: tuple[ModelServer, str], request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    transport = getattr(request, "param", "persistent")
    settings = AgentSettings(
        binary="gemini", base_url=server[1], transport=transport, default_model=MODEL
    )
    async with a_den_of(root, lambda house: GeminiRuntime(settings, house), walls=True) as den:
        yield Scene(den, server[0], settings)


both = pytest.mark.parametrize("scene", ["persistent", "process"], indirect=True)
each = pytest.mark.parametrize(
    "scene",
    ["persistent", pytest.param("process", marks=pytest.mark.soak)],
    indirect=True,
)


async def run(scene: Scene, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
    return await scene.den.run(prompt, **{"model": MODEL, **changes})


async def test_the_answer_comes_in_deltas_and_the_key_stays_outside(scene: Scene) -> None:
    outcome, heard = await run(scene, "hello")
    assert (outcome.status, outcome.jailed) == ("completed", True)
    assert len(heard.of(TextDelta)) > 3
    assert heard.text.startswith("Hello! I am the scripted model")
    assert {seen.headers["x-goog-api-key"] for seen in scene.server.requests} == {SECRET}
    assert not any(SECRET.encode() in line for line in heard.lines)


@both
async def test_the_agent_changes_the_workspace(scene: Scene) -> None:
    prompt = "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[shell:ls]] [[text:Done]]"
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    assert (scene.den.workspace() / "sub" / "a.txt").read_text() == "two"
    assert heard.text == "Done"
    kinds = [tool.kind for tool in heard.of(ToolStarted)]
    assert kinds == ["file_change", "file_change", "command"]
    assert [tool.ok for tool in heard.of(ToolFinished)] == [True, True, True]


async def test_changed_files_and_thoughts_are_told(scene: Scene) -> None:
    _, heard = await run(scene, "[[think:hm]] [[write:a.txt=one]] [[text:Done]]")
    assert heard.of(FileHint) == [FileHint((str(scene.den.workspace() / "a.txt"),))]
    assert "".join(seen.text for seen in heard.of(ReasoningDelta)) == "hm"


@both
async def test_the_usage_of_a_turn_sums_up_its_answers(scene: Scene) -> None:
    _, heard = await run(scene, "[[write:a.txt=one]] [[text:Done]]")
    assert heard.usage is not None
    counts = heard.usage.input, heard.usage.cached, heard.usage.output
    assert counts == (240, 80, 24)


@both
async def test_a_thread_goes_on_in_the_next_turn(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    second, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert heard.usage is not None and heard.usage.input == 120


async def test_a_thread_goes_on_in_one_process_after_another(scene: Scene) -> None:
    first, _ = await run(scene, "one")
    for at in range(2, 5):
        await scene.den.pool.close_home("wsp_1")
        outcome, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
        assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
        assert heard.text.startswith(f"user messages: {at}\n1. one\n2. ")
        assert heard.warnings == []
    assert scene.den.journal.started_jails == 4


async def test_two_threads_of_a_workspace_share_a_process_and_nothing_else(scene: Scene) -> None:
    first, _ = await run(scene, "one")
    second, heard = await run(scene, "[[history]]")
    assert heard.text == "user messages: 1\n1. [[history]]"
    _, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert heard.text.startswith("user messages: 2\n1. one\n")
    assert first.backend_id != second.backend_id
    assert scene.den.journal.started_jails == 1


@both
async def test_an_unknown_thread_is_replaced_by_a_fresh_one(scene: Scene) -> None:
    outcome, heard = await run(
        scene, "[[text:no]]", backend_id=NOBODY, fresh_prompt="[[history]] all"
    )
    assert outcome.status == "completed"
    assert outcome.backend_id != NOBODY
    assert heard.warnings == ["fresh_thread"]
    assert heard.text == "user messages: 1\n1. [[history]] all"


async def test_instructions_are_heard_beside_geminis_own_also_when_they_change(
    scene: Scene,
) -> None:
    first, heard = await run(scene, "[[instructions]]", instructions="Speak like a @pirate")
    assert "interactive CLI agent" in heard.text
    assert "Speak like a @pirate" in heard.text
    thread = first.backend_id
    _, heard = await run(
        scene, "[[instructions]]", instructions="Speak like a judge", backend_id=thread
    )
    assert "a judge" in heard.text and "a @pirate" not in heard.text
    assert not heard.text.startswith("Memory")
    await scene.den.pool.close_home("wsp_1")
    _, heard = await run(scene, "[[instructions]]", instructions="", backend_id=thread)
    assert "a judge" not in heard.text
    assert [path.name for path in scene.den.workspace().iterdir()] == []


async def test_the_model_of_a_thread_can_change(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    await run(scene, "hello", model="gemini-2.5-flash", backend_id=first.backend_id)
    assert [seen.conversation.model for seen in scene.server.requests] == [
        MODEL,
        "gemini-2.5-flash",
    ]


@each
@pytest.mark.parametrize("prompt", ["/memory show", "$ [[text:fine]]", "/help [[text:fine]]"])
async def test_a_prompt_is_never_a_command(scene: Scene, prompt: str) -> None:
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    assert heard.text.startswith(("fine", "Hello! I am the scripted model"))
    assert prompt in scene.server.requests[0].conversation.prompts[-1]


async def test_a_picture_reaches_the_model(scene: Scene) -> None:
    images = (Image("image/png", PIXEL),)
    outcome, heard = await run(scene, "[[text:seen]]", images=images)
    assert (outcome.status, heard.text) == ("completed", "seen")


FAILURES = {
    "400": "auth_failed",
    "401": "auth_failed",
    "429": "rate_limited",
    "429quota": "quota_exhausted",
    "500": "overloaded",
    "503": "overloaded",
    "cut": "cut_stream",
    "drop": "cut_stream",
    "context": "context_full",
    "nomodel": "unknown_model",
}


async def test_failures_one_after_another_have_their_causes_and_the_thread_goes_on(
    scene: Scene,
) -> None:
    first, _ = await run(scene, "hello")
    for kind in sorted(FAILURES.keys() - {"500", "503"}):
        await _fails(scene, kind, first.backend_id)
        outcome, _ = await run(scene, "[[text:fine]]", backend_id=first.backend_id)
        assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
    assert scene.den.journal.started_jails == 1


@pytest.mark.parametrize("kind", ["500", pytest.param("503", marks=pytest.mark.soak)])
async def test_a_server_in_trouble_is_overloaded(scene: Scene, kind: str) -> None:
    await _fails(scene, kind, None)


@pytest.mark.parametrize("scene", ["process"], indirect=True)
@pytest.mark.parametrize(
    "kind",
    [
        "429quota",
        "cut",
        *(
            pytest.param(kind, marks=pytest.mark.soak)
            for kind in FAILURES
            if kind not in ("429quota", "cut")
        ),
    ],
)
async def test_a_process_of_its_own_fails_with_the_same_causes(scene: Scene, kind: str) -> None:
    await _fails(scene, kind, None)


async def test_an_answer_cut_off_behind_a_tool_is_no_success(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[write:a.txt=one]] [[fail:cut]]")
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


async def test_an_answer_that_is_asked_for_again_is_heard_once(scene: Scene) -> None:
    prompt = "[[fail:cut*1]] [[text:This answer breaks off, but not for ever]]"
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    assert heard.text == "This answer breaks off, but not for ever"
    assert len(heard.of(RetryNotice)) == 1


async def test_another_answer_behind_half_a_one_is_no_success(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[fail:cut*1]] [[text:Something else]]")
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert heard.text == "This answer breaks off"


async def test_a_server_that_fails_once_fails_nothing(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[fail:500*1]] [[text:recovered]]")
    assert (outcome.status, heard.text) == ("completed", "recovered")
    assert heard.of(RetryNotice) == [RetryNotice("the provider answered 500")]


@each
async def test_a_server_that_falls_silent_stalls_the_turn(scene: Scene) -> None:
    first, _ = await run(scene, "one")
    outcome, _ = await run(scene, "[[hang:mid]]", backend_id=first.backend_id, stall_timeout=3.0)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    outcome, _ = await run(scene, "[[text:fine]]", backend_id=first.backend_id)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)


@each
async def test_cancelling_a_running_tool_leaves_no_process_behind(scene: Scene) -> None:
    before = scene.den.journal.started_jails
    await _cancel(scene, "[[shell:sleep 71.3; echo late > late.txt]]", ToolStarted)
    assert not _sleeping()
    outcome, _ = await run(scene, "hello")
    assert outcome.status == "completed"
    assert scene.den.journal.started_jails >= before


async def test_cancelling_an_answer_keeps_the_process(scene: Scene) -> None:
    await _cancel(scene, "[[hang:mid]]", TextDelta)
    assert scene.den.journal.killings == []
    outcome, heard = await run(scene, "[[text:fine]]")
    assert (outcome.status, heard.text) == ("completed", "fine")
    assert scene.den.journal.started_jails == 1


async def test_a_process_killed_in_the_middle_of_a_turn_has_crashed(scene: Scene) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(ToolStarted, seen)
    turn = scene.den.turn("[[shell:sleep 60]]", model=MODEL)
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    os.kill(scene.den.journal.pids[-1], 9)
    outcome = await task
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    again, _ = await run(scene, "[[text:fine]]", backend_id=outcome.backend_id)
    assert (again.status, again.backend_id) == ("completed", outcome.backend_id)


async def test_a_process_left_in_the_background_ends_with_its_turn(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[shell:setsid sleep 71.3 > /dev/null 2>&1 &]] [[text:ok]]")
    assert outcome.status == "completed"
    assert scene.den.journal.killings == ["a tool outlived its turn"]
    assert not _sleeping()


async def test_a_read_only_workspace_stays_as_it_is(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[write:a.txt]] [[text:tried]]", read_only=True)
    assert outcome.status == "completed"
    assert list(scene.den.workspace().iterdir()) == []


@each
async def test_two_workspaces_work_at_once_and_share_nothing(scene: Scene) -> None:
    prompt = "[[write:mine.txt]] [[shell:ls -a ~ /]] [[history]]"
    results = await asyncio.gather(
        *(run(scene, prompt, workspace_id=f"wsp_{at}") for at in range(2))
    )
    assert [outcome.status for outcome, _ in results] == ["completed", "completed"]
    assert len({outcome.backend_id for outcome, _ in results}) == 2
    for at, (_, heard) in enumerate(results):
        assert heard.text.startswith("user messages: 1\n")
        assert not any(f"wsp_{1 - at}".encode() in line for line in heard.lines)


async def test_settings_in_the_workspace_change_nothing_of_ours(scene: Scene) -> None:
    folder = scene.den.turn("").folder / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text(
        '{"security": {"auth": {"selectedType": "oauth-personal"}}, "general": {"maxAttempts": 9}}'
    )
    outcome, _ = await run(scene, "hello")
    assert outcome.status == "completed"


async def test_the_cli_lists_its_models_with_its_first_session(scene: Scene) -> None:
    assert await scene.den.pool.models("gemini") == (MODEL,)
    await run(scene, "hello")
    assert "gemini-3-flash-preview" in await scene.den.pool.models("gemini")


async def _fails(scene: Scene, kind: str, thread: str | None) -> None:
    outcome, heard = await run(scene, f"[[fail:{kind}]]", backend_id=thread)
    assert (kind, outcome.status, outcome.cause) == (kind, "failed", FAILURES[kind])
    assert outcome.message
    assert (outcome.resets_at is not None) == kind.startswith("429")
    assert heard.text in ("", "This answer breaks off")


async def _cancel(scene: Scene, prompt: str, sign: type) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(sign, seen)
    turn = scene.den.turn(prompt, model=MODEL)
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _sleeping() -> list[str]:
    """Processes that a tool of these tests started, anywhere on the machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", b"71.3"]:
                found.append(entry.name)
    return found
