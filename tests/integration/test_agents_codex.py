"""What is particular to the real codex CLI; what it shares with the others is in `matrix`."""

import asyncio

import pytest

from codara.application.ports.frames import FileHint, QuotaSeen
from tests.clis import CODEX
from tests.runtimes import Scene, scenes

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

PLAIN = "some-model"
"""A model the CLI does not know: its only tool is the shell."""

codex = scenes(CODEX)
by_exec = scenes(CODEX, transports="process")
both = scenes(CODEX, transports="persistent process")


@both
async def test_a_model_that_codex_does_not_know_works_by_the_shell(scene: Scene) -> None:
    prompt = "[[write:sub/a.txt=one]] [[edit:sub/a.txt=one=>two]] [[text:Done]]"
    outcome, heard = await scene.run(prompt, model=PLAIN)
    assert (outcome.status, heard.text) == ("completed", "Done")
    assert (scene.den.workspace() / "sub" / "a.txt").read_text() == "two"
    assert heard.of(FileHint) == []


@codex
async def test_instructions_are_heard_in_another_process_too(scene: Scene) -> None:
    first, _ = await scene.run("hello", instructions="Speak like a pirate")
    await scene.den.pool.close_home("wsp_1")
    told = {"instructions": "Speak like a child", "backend_id": first.backend_id}
    _, heard = await scene.run("[[instructions]]", **told)
    assert heard.text.rstrip().endswith("Speak like a child")


@by_exec
async def test_exec_says_later_instructions_in_front_of_the_prompt(scene: Scene) -> None:
    told = {"instructions": "Speak like a pirate"}
    first, _ = await scene.run("hello", **told)
    thread = {"backend_id": first.backend_id}
    for instructions in (told["instructions"], "Speak like a judge", "Speak like a judge"):
        await scene.run("go on", instructions=instructions, **thread)
    heard = [seen.conversation.prompts[-1] for seen in scene.server.requests]
    assert heard[:2] == ["hello", "go on"]
    assert "judge" in heard[2]
    assert heard[2].endswith("go on")
    assert heard[3] == "go on"


@both
async def test_variables_in_the_home_change_nothing_of_ours(scene: Scene) -> None:
    await scene.run("hello")
    await scene.den.pool.close_home("wsp_1")
    for folder in (scene.den.root / "homes" / "wsp_1" / "codex", scene.den.workspace()):
        (folder / ".codex").mkdir(exist_ok=True)
        (folder / ".codex" / ".env").write_text("CODARA_JAIL_TOKEN=another\n")
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed", outcome


@codex
async def test_the_quota_is_seen(scene: Scene) -> None:
    _, heard = await scene.run("[[quota:87]] [[text:fine]]")
    (seen,) = heard.of(QuotaSeen)
    assert [(w.name, w.used_percent, w.minutes) for w in seen.windows] == [
        ("primary", 87, 300),
        ("secondary", 43.5, 10080),
    ]


@both
async def test_a_quota_that_is_used_up_is_seen(scene: Scene) -> None:
    _, heard = await scene.run("[[fail:429quota]]")
    assert heard.of(QuotaSeen)[-1].windows[0].used_percent == 100


@codex
async def test_the_cli_lists_its_models_in_the_background(scene: Scene) -> None:
    await scene.run("hello")
    async with asyncio.timeout(10):
        while len(await scene.den.pool.models("codex")) < 2:
            await asyncio.sleep(0)
    assert (await scene.den.pool.models("codex"))[0] == CODEX.model
