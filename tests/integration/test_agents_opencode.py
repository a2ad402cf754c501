"""What is particular to the real opencode CLI; what it shares with the others is in `matrix`."""

import asyncio

import attrs
import pytest

from codara.application.ports.agents import Image
from tests.cli_scenes import Scene, a_scene, need, scenes
from tests.clis import OPENCODE

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

opencode = scenes(OPENCODE)
also_alone = scenes(OPENCODE, soak="process")


async def test_without_walls_opencode_answers_too() -> None:
    need(OPENCODE)
    async with a_scene(OPENCODE, "persistent", walls=False) as scene:
        results = await asyncio.gather(
            *(scene.run("[[history]]", workspace_id=f"wsp_{at}") for at in range(2))
        )
    assert [(o.status, o.jailed) for o, _ in results] == [("completed", False)] * 2


@also_alone
async def test_a_session_id_of_another_cli_is_replaced_too(scene: Scene) -> None:
    outcome, heard = await scene.run("[[history]]", backend_id="no such session")
    assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])


@also_alone
async def test_instructions_are_heard_beside_those_of_the_workspace(scene: Scene) -> None:
    (scene.den.workspace() / "AGENTS.md").write_text("Be kind to animals")
    first, heard = await scene.run("[[instructions]]", instructions="Speak like a pirate")
    assert "Speak like a pirate" in heard.text
    assert "Be kind to animals" in heard.text
    _, heard = await scene.run("[[instructions]]", backend_id=first.backend_id)
    assert "Speak like" not in heard.text


@opencode
async def test_the_configuration_of_a_workspace_is_not_opencodes(scene: Scene) -> None:
    elsewhere = '{"provider": {"gw": {"options": {"baseURL": "http://127.0.0.1:9/v1"}}}}'
    (scene.den.workspace() / "opencode.json").write_text(elsewhere)
    await scene.den.close_home("wsp_1")
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed"


@also_alone
async def test_what_is_no_picture_is_said_to_be_none(scene: Scene) -> None:
    outcome, _ = await scene.run("look", images=(Image("image/png", b"no picture"),))
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "picture" in outcome.message


@opencode
async def test_another_model_is_served_and_models_are_listed(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    started = scene.starts
    second, _ = await scene.run("hello", model="other/big/one", backend_id=first.backend_id)
    third, _ = await scene.run("hello", backend_id=first.backend_id)
    assert [each.status for each in (first, second, third)] == ["completed"] * 3
    assert [seen.conversation.model for seen in scene.server.requests] == [
        "scripted-model",
        "big/one",
        "scripted-model",
    ]
    assert scene.starts == started + 1
    assert "other/big/one" in await scene.den.pool.models("opencode")


@opencode
async def test_what_was_asked_for_in_vain_is_not_listed(scene: Scene) -> None:
    outcome, _ = await scene.run("[[fail:nomodel]]", model="typed/by-somebody")
    assert outcome.status == "failed"
    assert "typed/by-somebody" not in await scene.den.pool.models("opencode")


async def test_the_cli_lists_its_models_and_asks_nobody_for_them() -> None:
    need(OPENCODE)
    own = attrs.evolve(OPENCODE, model="opencode/big-pickle")
    async with a_scene(own, "process") as scene:
        assert (await scene.learnt("opencode/gpt-5"))[0] == "opencode/big-pickle"
        assert not scene.server.paths


@also_alone
async def test_a_full_context_behind_a_tool_says_nothing(scene: Scene) -> None:
    _, heard = await scene.run("[[write:a.txt]] [[fail:context]]")
    assert heard.text == ""


@opencode
async def test_what_opencode_left_in_the_background_ends_its_process(scene: Scene) -> None:
    left = f"[[shell:setsid sleep {scene.cli.nap} > /dev/null 2>&1 &]]"
    await scene.run(f"{left} [[text:ok]]")
    assert scene.den.journal.killings == ["a tool outlived its turn"]
