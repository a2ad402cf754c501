"""Forgetting threads, by the real CLIs: they are gone, and what else is in the home is not."""

from pathlib import Path

import pytest

from codara.application.ports.agents import Fork
from codara.application.ports.frames import MarkSeen
from tests.cli_scenes import Scene, scenes
from tests.clis import CLAUDE, CODEX, GEMINI, OPENCODE

pytestmark = [
    pytest.mark.cli,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

ordinary = scenes(CODEX, GEMINI, OPENCODE, CLAUDE, soak="process")
copying = scenes(CODEX, transports="persistent process")
deleting = scenes(CODEX, OPENCODE)
of_codex = scenes(CODEX)

BESIDES = (".sqlite", "opencode.db", "opencode.log")
"""Databases, which overwrite what was removed when they need the space, and a log of ids."""
SECRET = "a-word-that-nobody-else-says"


def home_of(scene: Scene) -> Path:
    return scene.den.root / "homes" / "wsp_1" / scene.cli.name


def prompts(scene: Scene) -> list[str]:
    return list(scene.server.requests[-1].conversation.prompts)


async def forget(scene: Scene, *threads: str) -> None:
    await scene.den.pool.forget("wsp_1", scene.cli.name, threads)


async def said(scene: Scene, prompt: str, thread: str | None = None) -> tuple[str, Fork]:
    """A turn; gives its thread and the point it has reached."""
    outcome, heard = await scene.run(prompt, backend_id=thread)
    assert (outcome.status, heard.warnings) == ("completed", [])
    thread = str(outcome.backend_id)
    return thread, Fork(backend_id=thread, mark=heard.of(MarkSeen)[-1].mark)


def bearing(home: Path, word: str) -> list[str]:
    """What in a home bears a word in its name or in a file that is no database."""
    found = [path for path in home.rglob("*") if not path.name.startswith(("logs_", "opencode.db"))]
    data = word.encode()
    return [
        str(path.relative_to(home))
        for path in found
        if word in path.name
        or (path.is_file() and "sqlite" not in path.name and data in read(path))
    ]


def read(path: Path) -> bytes:
    skipped = not path.is_file() or any(each in path.name for each in BESIDES)
    return b"" if skipped else path.read_bytes()


@ordinary
async def test_what_is_forgotten_is_fresh_when_it_is_asked_for_and_the_rest_goes_on(
    scene: Scene,
) -> None:
    gone, point = await said(scene, f"one {SECRET} [[write:a.txt=x]]")
    kept, _ = await said(scene, "other")
    await forget(scene, scene.cli.nobody, gone, "../../..", "*", "", "x" * 10_000)
    assert bearing(home_of(scene), gone) + bearing(home_of(scene), SECRET) == []
    _, heard = await scene.run("no", backend_id=gone, fresh_prompt="all of it")
    assert (heard.warnings, prompts(scene)) == (["fresh_thread"], ["all of it"])
    _, heard = await scene.run("no", fork=point, fresh_prompt="all of it")
    assert (heard.warnings, prompts(scene)) == (["fresh_thread"], ["all of it"])
    await said(scene, "on", kept)
    assert prompts(scene) == ["other", "on"]


@copying
async def test_a_copy_outlives_what_it_was_made_of(scene: Scene) -> None:
    thread, point = await said(scene, "one")
    outcome, _ = await scene.run("two", fork=point)
    copy = str(outcome.backend_id)
    await forget(scene, thread)
    _, heard = await scene.run("no", backend_id=thread, fresh_prompt="all of it")
    assert (heard.warnings, prompts(scene)) == (["fresh_thread"], ["all of it"])
    _, heard = await scene.run("no", fork=point, fresh_prompt="all of it")
    assert (heard.warnings, prompts(scene)) == (["fresh_thread"], ["all of it"])
    await said(scene, "on", copy)
    assert prompts(scene) == ["one", "two", "on"]
    await forget(scene, copy)
    assert bearing(home_of(scene), thread) == bearing(home_of(scene), copy) == []


@of_codex
async def test_codex_removes_copies_and_what_they_were_made_of_in_any_order(scene: Scene) -> None:
    thread, point = await said(scene, "one")
    outcome, _ = await scene.run("two", fork=point)
    copy = str(outcome.backend_id)
    await scene.den.close_home("wsp_1")
    await forget(scene, thread, copy)
    assert bearing(home_of(scene), thread) == bearing(home_of(scene), copy) == []


@deleting
async def test_a_home_shrinks_when_threads_are_forgotten(scene: Scene) -> None:
    await said(scene, "one")
    thread, _ = await said(scene, "x" * 900_000)
    big = await scene.den.pool.home_bytes("wsp_1", scene.cli.name)
    await forget(scene, thread)
    assert await scene.den.pool.home_bytes("wsp_1", scene.cli.name) < big - 700_000
