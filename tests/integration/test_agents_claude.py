"""The real claude CLI, in a real jail, against the scripted model server."""

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

from codara.adapters.agents.claude.config import native_program
from codara.adapters.agents.claude.runtime import ClaudeRuntime
from codara.adapters.agents.contract import Answering
from codara.adapters.agents.homes import Homes
from codara.adapters.agents.house import House
from codara.adapters.agents.programs import REMEDY, find_program, project_folders
from codara.adapters.agents.settings import AgentSettings
from codara.adapters.jail.unsafe import Unsafe
from codara.application.ports.agents import Image, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    FileHint,
    QuotaSeen,
    ReasoningDelta,
    RetryNotice,
    TextDelta,
    ToolFinished,
    ToolStarted,
)
from codara.demo.modelserver import ModelServer
from codara.errors import AgentFailed
from tests.agenting import SECRET, Den, Journal, Listener, OneKey, a_den_of
from tests.jailing import need_bubblewrap

pytestmark = pytest.mark.cli

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
def claude_is_there() -> None:
    """Fails, with the remedy, where there is no CLI; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_CLI") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_CLI=1")
    need_bubblewrap()
    try:
        find_program(
            "claude",
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
        binary="claude", base_url=server[1], transport=transport, default_model="sonnet"
    )
    async with a_den_of(root, lambda house: ClaudeRuntime(settings, house), walls=True) as den:
        yield Scene(den, server[0], settings)


both = pytest.mark.parametrize("scene", ["persistent", "process"], indirect=True)
long_and_soak = pytest.mark.parametrize(
    "scene",
    ["persistent", pytest.param("process", marks=pytest.mark.soak)],
    indirect=True,
)


async def run(scene: Scene, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
    return await scene.den.run(prompt, **{"model": "sonnet", **changes})


@both
async def test_claudes_answer_comes_in_deltas_once_and_the_key_stays_outside(scene: Scene) -> None:
    outcome, heard = await run(scene, "hello")
    assert (outcome.status, outcome.jailed) == ("completed", True)
    assert len(heard.of(TextDelta)) > 3
    assert heard.text.startswith("Hello! I am the scripted model")
    assert heard.text.count("Hello!") == 1
    assert heard.usage is not None
    assert (heard.usage.input, heard.usage.cached, heard.usage.output) == (120, 40, 12)
    assert [seen.headers["x-api-key"] for seen in scene.server.requests] == [SECRET]
    assert all("anthropic-version" in seen.headers for seen in scene.server.requests)
    assert not any(SECRET.encode() in line for line in heard.lines)


@both
async def test_claude_changes_the_workspace(scene: Scene) -> None:
    prompt = (
        "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[append:sub/a.txt=!]] "
        "[[think:hm]] [[text:Done]]"
    )
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    assert (scene.den.workspace() / "sub" / "a.txt").read_text() == "two!"
    assert heard.text == "Done"
    assert [tool.kind for tool in heard.of(ToolStarted)] == [
        "file_change",
        "file_change",
        "command",
    ]
    assert [tool.ok for tool in heard.of(ToolFinished)] == [True, True, True]
    assert "".join(seen.text for seen in heard.of(ReasoningDelta)) == "hm"
    assert len(heard.of(FileHint)) == 2
    assert heard.usage is not None
    assert (heard.usage.input, heard.usage.output) == (480, 48)


@both
async def test_a_claude_thread_goes_on_in_the_next_turn(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    second, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert heard.text == "user messages: 2\n1. hello\n2. [[history]]"
    assert heard.usage is not None
    assert heard.usage.input == 120
    persistent = scene.settings.transport == "persistent"
    assert scene.den.journal.started_jails == (1 if persistent else 2)


@long_and_soak
async def test_a_claude_thread_goes_on_in_another_process(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    await scene.den.pool.close_home("wsp_1")
    second, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.text.startswith("user messages: 2\n")
    assert heard.usage is not None
    assert heard.usage.raw["cost_usd"] == heard.usage.raw["total_cost_usd"]


async def test_two_threads_of_one_home_take_turns(scene: Scene) -> None:
    one, _ = await run(scene, "one")
    two, _ = await run(scene, "two")
    assert one.backend_id != two.backend_id
    again, heard = await run(scene, "[[history]]", backend_id=one.backend_id)
    assert again.backend_id == one.backend_id
    assert heard.text == "user messages: 2\n1. one\n2. [[history]]"


async def test_the_cost_of_a_turn_is_its_own(scene: Scene) -> None:
    first, one = await run(scene, "hello")
    _, two = await run(scene, "hello", backend_id=first.backend_id)
    assert one.usage is not None
    assert two.usage is not None
    assert two.usage.raw["total_cost_usd"] > one.usage.raw["total_cost_usd"]
    assert two.usage.raw["cost_usd"] == pytest.approx(one.usage.raw["cost_usd"])


@both
@pytest.mark.parametrize("thread", [NOBODY, "no such thread"])
async def test_a_thread_claude_lost_is_replaced_by_a_fresh_one(scene: Scene, thread: str) -> None:
    outcome, heard = await run(
        scene, "[[history]]", backend_id=thread, fresh_prompt="all of it [[history]]"
    )
    assert outcome.status == "completed"
    assert outcome.backend_id != thread
    assert heard.warnings == ["fresh_thread"]
    assert heard.text == "user messages: 1\n1. all of it [[history]]"
    again, heard = await run(scene, "[[history]]", backend_id=outcome.backend_id)
    assert again.backend_id == outcome.backend_id
    assert heard.text.startswith("user messages: 2\n")


@long_and_soak
async def test_claude_hears_instructions_also_when_they_change(scene: Scene) -> None:
    first, heard = await run(scene, "[[instructions]]", instructions="Speak like a pirate")
    assert heard.text.rstrip().endswith("Speak like a pirate")
    told = {"instructions": "Speak like a judge", "backend_id": first.backend_id}
    second, heard = await run(scene, "[[instructions]]", **told)
    assert second.backend_id == first.backend_id
    assert heard.text.rstrip().endswith("Speak like a judge")
    assert "pirate" not in heard.text
    _, heard = await run(scene, "[[instructions]]", backend_id=first.backend_id)
    assert "Speak like" not in heard.text


async def test_a_thread_of_claude_goes_on_with_another_model(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    second, heard = await run(
        scene, "[[history]]", model="no-such-model", backend_id=first.backend_id
    )
    assert second.backend_id == first.backend_id
    assert heard.text.startswith("user messages: 2\n")
    assert scene.server.requests[-1].conversation.model == "no-such-model"
    assert "no-such-model" not in await scene.den.pool.models("claude")


async def test_neither_prompt_nor_instructions_are_on_a_command_line(scene: Scene) -> None:
    await run(scene, "a secret prompt", instructions="secret instructions")
    line = Path(f"/proc/{scene.den.journal.pids[-1]}/cmdline")
    below = [line, *Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"secret" in _content(path) for path in below)


@both
@pytest.mark.parametrize(
    "prompt", ["/clear [[history]]", "/etc/passwd [[history]]", "-- [[history]]"]
)
async def test_a_prompt_is_never_a_command_of_claudes_own(scene: Scene, prompt: str) -> None:
    outcome, heard = await run(scene, prompt)
    assert outcome.status == "completed"
    assert heard.text == f"user messages: 1\n1. {prompt}"


async def test_claude_sees_pictures(scene: Scene) -> None:
    assert scene.den.pool.takes_images("claude")
    outcome, heard = await run(scene, "[[history]]", images=(Image("image/png", PIXEL),))
    assert outcome.status == "completed"
    assert heard.text == "user messages: 1\n1. [[history]]\n[image/png]"


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


@long_and_soak
@pytest.mark.parametrize("kind", FAILURES)
async def test_a_failure_of_claude_has_its_cause_and_the_next_turn_works(
    scene: Scene, kind: str
) -> None:
    outcome, heard = await run(scene, f"[[fail:{kind}]]")
    assert (outcome.status, outcome.cause) == ("failed", FAILURES[kind])
    assert outcome.message
    assert heard.text == ("This answer breaks off" if kind == "drop" else "")
    if kind == "drop":
        assert len(scene.server.requests) == 1
    if kind in ("401", "429", "500", "503"):
        assert len(heard.of(RetryNotice)) == 2
    if kind == "429quota":
        assert heard.of(QuotaSeen)[-1].windows[0].used_percent == 100
    if kind.startswith("429"):
        assert outcome.resets_at is not None
    outcome, heard = await run(scene, "[[text:fine]]", backend_id=outcome.backend_id)
    assert (outcome.status, heard.text) == ("completed", "fine")


@pytest.mark.parametrize("scene", ["process"], indirect=True)
async def test_a_failure_in_claudes_fall_back_has_its_cause(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[fail:nomodel]]")
    assert (outcome.status, outcome.cause) == ("failed", "unknown_model")


async def test_a_server_that_fails_claude_once_fails_nothing(scene: Scene) -> None:
    outcome, heard = await run(scene, "[[fail:500*1]] [[text:recovered]]")
    assert (outcome.status, heard.text) == ("completed", "recovered")
    assert len(heard.of(RetryNotice)) == 1


async def test_the_quota_of_a_claude_account_is_seen(scene: Scene) -> None:
    _, heard = await run(scene, "[[quota:87]] [[text:fine]]")
    (seen,) = heard.of(QuotaSeen)
    assert [(w.name, w.used_percent, w.minutes) for w in seen.windows] == [
        ("five_hour", 87, 300),
        ("seven_day", 43.5, 10080),
    ]


@long_and_soak
@pytest.mark.parametrize("kind", ["mid", "none"])
async def test_a_silent_server_stalls_a_turn_of_claude(scene: Scene, kind: str) -> None:
    patience = 1.5 if scene.settings.transport == "persistent" else 10.0
    outcome, _ = await run(scene, f"[[hang:{kind}]]", stall_timeout=patience)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    outcome, heard = await run(scene, "[[history]]", backend_id=outcome.backend_id)
    assert outcome.status == "completed"
    assert heard.text.startswith("user messages: 2\n")


@both
async def test_cancelling_a_tool_of_claude_leaves_no_process_behind(scene: Scene) -> None:
    await _cancel(scene, "[[shell:sleep 59; echo late > late.txt]]", ToolStarted)
    assert not _running("sleep 59")
    outcome, _ = await run(scene, "hello")
    assert outcome.status == "completed"


async def test_cancelling_claudes_answer_keeps_the_process(scene: Scene) -> None:
    first, _ = await run(scene, "hello")
    await _cancel(scene, "[[hang:mid]]", TextDelta, backend_id=first.backend_id)
    assert scene.den.journal.killings == []
    outcome, heard = await run(scene, "[[history]]", backend_id=first.backend_id)
    assert outcome.status == "completed"
    assert heard.text.startswith("user messages: 3\n")
    assert scene.den.journal.started_jails == 1


@long_and_soak
async def test_a_claude_killed_in_the_middle_of_a_turn_has_crashed(scene: Scene) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(ToolStarted, seen)
    turn = scene.den.turn("[[shell:sleep 60]]", model="sonnet")
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    os.kill(scene.den.journal.pids[-1], 9)
    outcome = await task
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    again, heard = await run(scene, "hello", backend_id=outcome.backend_id)
    assert again.status == "completed"
    kept = again.backend_id == outcome.backend_id
    assert heard.warnings == ([] if kept else ["fresh_thread"])


async def test_what_claude_left_in_the_background_ends_with_its_turn(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[shell:setsid sleep 79.3 > /dev/null 2>&1 &]] [[text:ok]]")
    assert outcome.status == "completed"
    assert not _running("sleep 79.3")
    again, heard = await run(scene, "[[history]]", backend_id=outcome.backend_id)
    assert again.backend_id == outcome.backend_id
    assert heard.text.startswith("user messages: 2\n")


async def test_claude_leaves_a_read_only_workspace_as_it_is(scene: Scene) -> None:
    outcome, _ = await run(scene, "[[shell:touch a.txt]] [[text:tried]]", read_only=True)
    assert outcome.status == "completed"
    assert list(scene.den.workspace().iterdir()) == []


@both
async def test_two_workspaces_with_claude_work_at_once_and_share_nothing(scene: Scene) -> None:
    prompt = "[[write:mine.txt]] [[shell:ls -a ~ /]] [[history]]"
    results = await asyncio.gather(
        *(run(scene, prompt, workspace_id=f"wsp_{at}") for at in range(2))
    )
    assert [outcome.status for outcome, _ in results] == ["completed", "completed"]
    assert len({outcome.backend_id for outcome, _ in results}) == 2
    for at, (_, heard) in enumerate(results):
        assert heard.text.startswith("user messages: 1\n")
        assert not any(f"wsp_{1 - at}".encode() in line for line in heard.lines)


async def test_a_claude_started_early_takes_the_turn_and_answers_when_asked(scene: Scene) -> None:
    turn = scene.den.turn("hello", model="sonnet")
    jails = Unsafe(Journal())
    await jails.start_up()
    house = House(jails=jails, homes=Homes(scene.den.root / "early"), vault=OneKey())
    session = await ClaudeRuntime(scene.settings, house).open(turn)
    try:
        assert isinstance(session, Answering)
        assert session.serves(turn)
        assert await session.answers()
        outcome = await session.run(turn, Listener())
        assert outcome.status == "completed"
        assert not session.serves(turn)
        assert session.serves(attrs.evolve(turn, backend_id=outcome.backend_id))
        assert not session.serves(attrs.evolve(turn, backend_id=NOBODY))
    finally:
        await session.close()
        await jails.close()
    assert not await session.answers()


async def test_claude_lists_its_models_once_it_has_started(scene: Scene) -> None:
    assert await scene.den.pool.models("claude") == ("sonnet", "opus", "haiku")
    await run(scene, "hello")
    listed = await scene.den.pool.models("claude")
    assert listed[0] == "sonnet"
    assert "haiku" in listed
    assert "default" not in listed


async def _cancel(scene: Scene, prompt: str, sign: type, **changes: Any) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(sign, seen)
    turn = scene.den.turn(prompt, **{"model": "sonnet", **changes})
    task = asyncio.create_task(scene.den.pool.run(turn, listener))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _running(command: str) -> bool:
    words = command.replace(" ", "\0").encode()
    return any(words in _content(path) for path in Path("/proc").glob("[0-9]*/cmdline"))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
