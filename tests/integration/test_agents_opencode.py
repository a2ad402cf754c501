"""The real opencode CLI, in a real jail, against the scripted model server."""

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

from codara.adapters.agents.opencode.config import native_program
from codara.adapters.agents.opencode.runtime import OpencodeRuntime
from codara.adapters.agents.programs import REMEDY, find_program, project_folders
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

MODEL = "gw/scripted-model"
NOBODY = "ses_000000000000000000000000"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
    "78da63f8cfc0000003010100f70341430000000049454e44ae426082"
)


@attrs.frozen
class Scene:
    den: Den
    server: ModelServer
    settings: AgentSettings


@pytest.fixture(scope="session", autouse=True)
def opencode_is_there() -> None:
    """Fails, with the remedy, where there is no CLI; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_CLI") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_CLI=1")
    need_bubblewrap()
    try:
        find_program(
            "opencode",
            setting="PATH",
            remedy=REMEDY,
            follow=native_program,
            places=project_folders(),
        )
    except AgentFailed as missing:
        pytest.fail(f"{missing}, or set CODARA_TEST_WITHOUT_CLI=1 to leave these tests out")


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="codara-test-"))
    folder.chmod(0o755)
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
    transport, walls = getattr(request, "param", "persistent"), True
    if transport == "no walls":
        transport, walls = "persistent", False
    settings = AgentSettings(
        binary="opencode", base_url=server[1], transport=transport, default_model=MODEL
    )
    make = lambda house: OpencodeRuntime(settings, house)  # noqa: E731
    async with a_den_of(root, make, walls=walls) as den:
        yield Scene(den, server[0], settings)


both = pytest.mark.parametrize("scene", ["persistent", "process"], indirect=True)
long_and_soak = pytest.mark.parametrize(
    "scene",
    ["persistent", pytest.param("process", marks=pytest.mark.soak)],
    indirect=True,
)


async def run(scene: Scene, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
    return await scene.den.run(prompt, **{"model": MODEL, **changes})


async def test_opencodes_answer_comes_in_deltas_and_the_key_stays_outside(scene: Scene) -> None:
    outcome, heard = await run(scene, "hello")
    assert (outcome.status, outcome.jailed) == ("completed", True)
    assert len(heard.of(TextDelta)) > 3
    assert heard.text.startswith("Hello! I am the scripted model")
    assert heard.text.count("Hello!") == 1
    assert heard.usage is not None
    assert (heard.usage.input, heard.usage.cached, heard.usage.output) == (120, 40, 12)
    assert [seen.authorization for seen in scene.server.requests] == [f"Bearer {SECRET}"]
    assert not any(SECRET.encode() in line for line in heard.lines)


@pytest.mark.parametrize("scene", ["no walls"], indirect=True)
async def test_without_walls_opencode_answers_too(scene: Scene) -> None:
    results = await asyncio.gather(
        *(run(scene, "[[history]]", workspace_id=f"wsp_{at}") for at in range(2))
    )
    assert [(o.status, o.jailed) for o, _ in results] == [("completed", False)] * 2


@both
async def test_opencode_changes_the_workspace(scene: Scene) -> None:
    prompt = (
        "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[append:sub/a.txt=!]] "
        "[[think:hm]] [[text:Done]]"
    )
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    path = scene.den.workspace() / "sub" / "a.txt"
    assert path.read_text() == "two!"
    assert heard.text == "Done"
    kinds = [tool.kind for tool in heard.of(ToolStarted)]
    assert kinds == ["file_change", "file_change", "command"]
    assert [tool.ok for tool in heard.of(ToolFinished)] == [True, True, True]
    assert "".join(seen.text for seen in heard.of(ReasoningDelta)) == "hm"
    assert heard.of(FileHint) == [FileHint((str(path),))] * 2
    assert heard.usage is not None
    assert (heard.usage.input, heard.usage.output) == (480, 48)
    assert len(scene.server.requests) == 4


@long_and_soak
async def test_an_opencode_session_goes_on_in_the_next_turn(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    second, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert heard.usage is not None
    assert heard.usage.input == 120


async def test_an_opencode_session_goes_on_in_another_process(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    await scene.den.pool.close_home("wsp_1")
    second, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.text.startswith("user messages: 2\n")
    assert scene.den.journal.started_jails == 2


@both
async def test_a_session_opencode_lost_is_replaced_by_a_fresh_one(scene: Scene) -> None:
    outcome, heard = await run(
        scene, "[[history]]", backend_id=NOBODY, fresh_prompt="all of it [[history]]"
    )
    assert outcome.status == "completed"
    assert outcome.backend_id != NOBODY
    assert heard.warnings == ["fresh_thread"]
    assert heard.text == "user messages: 1\n1. all of it [[history]]"


@long_and_soak
async def test_a_session_id_of_another_cli_is_replaced_too(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[history]]", backend_id="no such session")
    assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])


@long_and_soak
async def test_opencode_hears_instructions_also_when_they_change(scene: Scene) -> None:
    (scene.den.turn("").folder / "AGENTS.md").write_text("Be kind to animals")
    first, heard = await run(scene, "[[instructions]]", instructions="Speak like a pirate")
    assert "Speak like a pirate" in heard.text
    assert "Be kind to animals" in heard.text
    told = {"instructions": "Speak like a judge", "backend_id": first.backend_id}
    second, heard = await run(scene, "[[instructions]]", **told)
    assert second.backend_id == first.backend_id
    assert "Speak like a judge" in heard.text
    assert "pirate" not in heard.text
    _, heard = await run(scene, "[[instructions]]", backend_id=first.backend_id)
    assert "Speak like" not in heard.text


async def test_the_configuration_of_a_workspace_is_not_opencodes(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    elsewhere = '{"provider": {"gw": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}'
    (scene.den.workspace() / "opencode.json").write_text(elsewhere)
    await scene.den.pool.close_home("wsp_1")
    outcome, _ = await run(scene, "hello", backend_id=first.backend_id)
    assert outcome.status == "completed"


async def test_a_picture_reaches_the_model(scene: Scene) -> None:
    outcome, _ = await run(scene, "look", images=(Image("image/png", PIXEL),))
    assert (outcome.status, outcome.message) == ("completed", "")
    assert scene.server.requests[-1].conversation.prompts == ("look\n[image/png]",)
    assert scene.den.pool.takes_images("opencode")
    outcome, _ = await run(scene, "look", images=(Image("image/png", b"no picture"),))
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "picture" in outcome.message


async def test_another_model_is_served_and_models_are_listed(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    second, _ = await run(scene, "hello", model="other/big/one", backend_id=first.backend_id)
    third, _ = await run(scene, "hello", backend_id=first.backend_id)
    assert [each.status for each in (first, second, third)] == ["completed"] * 3
    assert [seen.conversation.model for seen in scene.server.requests] == [
        "scripted-model",
        "big/one",
        "scripted-model",
    ]
    assert scene.den.journal.started_jails == 2
    async with asyncio.timeout(10):
        while "other/big/one" not in await scene.den.pool.models("opencode"):
            await asyncio.sleep(0)


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
RETRIED = ("429", "429quota", "500", "503", "drop")


async def test_each_failure_of_opencode_has_its_cause_and_the_process_stays(scene: Scene) -> None:
    for kind, cause in FAILURES.items():
        outcome, heard = await run(scene, f"[[fail:{kind}]]")
        assert (outcome.status, outcome.cause) == ("failed", cause)
        assert outcome.message
        assert heard.text in ("", "This answer ", "This answer breaks off")
        assert (outcome.resets_at is not None) == (kind == "429")
        assert bool(heard.of(RetryNotice)) == (kind in RETRIED)
        outcome, heard = await run(scene, "[[text:fine]]")
        assert (outcome.status, heard.text) == ("completed", "fine")
    assert scene.den.journal.started_jails == 1
    assert scene.den.journal.killings == []


@pytest.mark.parametrize("scene", ["process"], indirect=True)
@pytest.mark.parametrize(
    "kind",
    [
        "401",
        "429quota",
        *(
            pytest.param(kind, marks=pytest.mark.soak)
            for kind in FAILURES
            if kind not in ("401", "429quota")
        ),
    ],
)
async def test_a_failure_of_one_process_has_its_cause(scene: Scene, kind: str) -> None:
    outcome, heard = await run(scene, f"[[fail:{kind}]]")
    assert (outcome.status, outcome.cause) == ("failed", FAILURES[kind])
    assert outcome.message
    assert heard.text == ""


@long_and_soak
async def test_a_server_that_fails_opencode_once_fails_nothing(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[fail:500*1]] [[text:recovered]]")
    assert (outcome.status, heard.text) == ("completed", "recovered")
    assert len(heard.of(RetryNotice)) == 1


@long_and_soak
async def test_a_full_context_is_no_reason_for_an_answer(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[write:a.txt]] [[fail:context]]")
    assert (outcome.status, outcome.cause) == ("failed", "context_full")
    assert heard.text == ""


@long_and_soak
async def test_a_server_that_falls_silent_stalls_opencode(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    outcome, _ = await run(scene, "[[hang:mid]]", stall_timeout=5.0, backend_id=first.backend_id)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    outcome, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
    assert "1. hello\n" in heard.text


@long_and_soak
async def test_cancelling_opencodes_tool_leaves_no_process_behind(scene: Scene) -> None:
    told_at_once = scene.settings.transport == "persistent"
    sign = ToolStarted if told_at_once else BackendSeen
    await _cancel(scene, "[[shell:sleep 73.3; echo late > late.txt]]", sign)
    below = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _sleeps(path)]
    assert below == []
    outcome, _ = await run(scene, "hello")
    assert outcome.status == "completed"


async def test_cancelling_opencodes_answer_keeps_the_process(scene: Scene) -> None:
    await _cancel(scene, "[[hang:mid]]", TextDelta)
    assert scene.den.journal.killings == []
    outcome, heard = await run(scene, "hello")
    assert outcome.status == "completed"
    assert heard.text.startswith("Hello!")
    assert scene.den.journal.started_jails == 1


async def test_opencode_killed_in_the_middle_of_a_turn_has_crashed(scene: Scene) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(ToolStarted, seen)
    turn = scene.den.turn("[[shell:sleep 60]]", model=MODEL)
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    os.kill(scene.den.journal.pids[-1], 9)
    outcome = await task
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    again, _ = await run(scene, "hello", backend_id=outcome.backend_id)
    assert (again.status, again.backend_id) == ("completed", outcome.backend_id)


async def test_what_opencode_left_in_the_background_ends_with_its_turn(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[shell:setsid sleep 60 > /dev/null 2>&1 &]] [[text:ok]]")
    assert outcome.status == "completed"
    assert scene.den.journal.killings == ["a tool outlived its turn"]


@long_and_soak
async def test_two_workspaces_of_opencode_share_nothing(scene: Scene) -> None:
    prompt = "[[write:mine.txt]] [[shell:ls -a ~ /]] [[history]]"
    results = await asyncio.gather(
        *(run(scene, prompt, workspace_id=f"wsp_{at}") for at in range(2))
    )
    assert [outcome.status for outcome, _ in results] == ["completed", "completed"]
    assert len({outcome.backend_id for outcome, _ in results}) == 2
    for at, (_, heard) in enumerate(results):
        assert heard.text.startswith("user messages: 1\n")
        assert not any(f"wsp_{1 - at}".encode() in line for line in heard.lines)


def _sleeps(path: Path) -> bool:
    try:
        return path.read_bytes().startswith(b"sleep\x0061")
    except OSError:
        return False


async def _cancel(scene: Scene, prompt: str, sign: type) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(sign, seen)
    turn = scene.den.turn(prompt, model=MODEL)
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
