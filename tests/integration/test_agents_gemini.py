"""What is particular to the real gemini CLI; what it shares with the others is in `matrix`."""

import pytest

from codara.application.ports.frames import RetryNotice
from tests.cli_scenes import Scene, scenes
from tests.clis import GEMINI

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

gemini = scenes(GEMINI)
both = scenes(GEMINI, transports="persistent process")
also_alone = scenes(GEMINI, soak="process")


@gemini
async def test_a_thread_goes_on_in_one_process_after_another(scene: Scene) -> None:
    first, _ = await scene.run("one")
    started = scene.starts
    for at in range(2, 5):
        await scene.den.close_home("wsp_1")
        outcome, heard = await scene.run("[[history]]", backend_id=first.backend_id)
        assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
        assert heard.text.startswith(f"user messages: {at}\n1. one\n2. ")
        assert heard.warnings == []
    assert scene.starts == started + 3


@gemini
async def test_instructions_are_heard_beside_geminis_own_also_when_they_change(
    scene: Scene,
) -> None:
    first, heard = await scene.run("[[instructions]]", instructions="Speak like a @pirate")
    assert "interactive CLI agent" in heard.text
    assert "Speak like a @pirate" in heard.text
    again = {"backend_id": first.backend_id}
    _, heard = await scene.run("[[instructions]]", instructions="Speak like a judge", **again)
    assert "a judge" in heard.text and "a @pirate" not in heard.text
    assert not heard.text.startswith("Memory")
    await scene.den.close_home("wsp_1")
    _, heard = await scene.run("[[instructions]]", instructions="", **again)
    assert "a judge" not in heard.text
    assert list(scene.den.workspace().iterdir()) == []


@gemini
async def test_the_model_of_a_thread_can_change(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    await scene.run("hello", model="gemini-2.5-flash", backend_id=first.backend_id)
    models = [seen.conversation.model for seen in scene.server.requests]
    assert models == [GEMINI.model, "gemini-2.5-flash"]


@also_alone
async def test_a_prompt_is_no_command_of_geminis_own(scene: Scene) -> None:
    outcome, heard = await scene.run("/memory show")
    assert outcome.status == "completed"
    assert heard.text.startswith("Hello! I am the scripted model")
    assert "/memory show" in scene.server.requests[0].conversation.prompts[-1]


@also_alone
@pytest.mark.parametrize(("kind", "cause"), [("400", "auth_failed"), ("cut", "cut_stream")])
async def test_failures_only_google_knows_have_their_causes(
    scene: Scene, kind: str, cause: str
) -> None:
    outcome, heard = await scene.run(f"[[fail:{kind}]]")
    assert (outcome.status, outcome.cause) == ("failed", cause)
    assert outcome.message
    assert heard.text in ("", "This answer breaks off")


@gemini
async def test_an_answer_cut_off_behind_a_tool_is_no_success(scene: Scene) -> None:
    outcome, _ = await scene.run("[[write:a.txt=one]] [[fail:cut]]")
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


@gemini
async def test_an_answer_that_is_asked_for_again_is_heard_once(scene: Scene) -> None:
    prompt = "[[fail:cut*1]] [[text:This answer breaks off, but not for ever]]"
    outcome, heard = await scene.run(prompt)
    assert outcome.status == "completed"
    assert heard.text == "This answer breaks off, but not for ever"
    assert len(heard.of(RetryNotice)) == 1


@gemini
async def test_another_answer_behind_half_a_one_is_no_success(scene: Scene) -> None:
    outcome, heard = await scene.run("[[fail:cut*1]] [[text:Something else]]")
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert heard.text == "This answer breaks off"


@gemini
@pytest.mark.parametrize("behind", ["[[text:This answer]]", "[[write:a.txt]] [[text:Done]]"])
async def test_half_an_answer_is_no_success_whatever_comes_behind_it(
    scene: Scene, behind: str
) -> None:
    outcome, heard = await scene.run(f"[[fail:cut*1]] {behind}")
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert heard.text.startswith("This answer breaks off")


@gemini
async def test_a_process_that_lives_on_is_not_the_one_that_left_a_tool_behind(scene: Scene) -> None:
    left = f"[[shell:setsid sleep {scene.cli.nap} > /dev/null 2>&1 &]]"
    await scene.run(f"{left} [[text:ok]]")
    assert scene.den.journal.killings == ["a tool outlived its turn"]


@gemini
async def test_settings_in_the_workspace_change_nothing_of_ours(scene: Scene) -> None:
    await scene.den.close_home("wsp_1")
    folder = scene.den.turn("").folder / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text(
        '{"security": {"auth": {"selectedType": "oauth-personal"}}, "general": {"maxAttempts": 9}}'
    )
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed"


@both
async def test_the_cli_lists_its_models_and_asks_nobody_for_them(scene: Scene) -> None:
    listed = await scene.learnt("gemini-3-flash-preview")
    assert listed[0] == GEMINI.model
    assert not scene.server.paths
