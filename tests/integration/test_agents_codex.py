"""What is particular to the real codex CLI; what it shares with the others is in `matrix`."""

from functools import partial

import pytest

from codara.adapters.agents.codex import runtime
from codara.application.ports.frames import BackendSeen, FileHint, QuotaSeen, ToolStarted
from tests.agent_pool import a_den_of
from tests.cli_scenes import KeyEach, Scene, runtime_of, scenes
from tests.clis import CODEX

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

PLAIN = "some-model"
"""A model the CLI does not know: its only tool is the shell."""

TOOL = "[[write:a.txt]]"
SAID = "This is an answer of two pieces."
ODD = (f"[[text:{SAID}]]", f"{TOOL} [[text:{SAID}]]")
"""Prompts of answers that then end oddly."""

oddly = pytest.mark.parametrize("prompt", ODD, ids=["alone", "behind-a-tool"])
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
async def test_the_helper_that_codex_starts_for_its_tools_costs_no_process(scene: Scene) -> None:
    await scene.den.close_home("wsp_1")
    scene.den.journal.killings.clear()
    first, _ = await scene.run("[[write:a.txt]] [[text:Done]]")
    started = scene.starts
    second, _ = await scene.run("[[write:b.txt]] [[text:Done]]", backend_id=first.backend_id)
    assert second.status == "completed"
    assert (scene.starts, scene.den.journal.killings) == (started, [])


@codex
async def test_instructions_are_heard_in_another_process_too(scene: Scene) -> None:
    first, _ = await scene.run("hello", instructions="Speak like a pirate")
    await scene.den.close_home("wsp_1")
    told = {"instructions": "Speak like a child", "backend_id": first.backend_id}
    _, heard = await scene.run("[[instructions]]", **told)
    assert heard.text.rstrip().endswith("Speak like a child")


@codex
async def test_instructions_that_were_dropped_hold_no_longer(scene: Scene) -> None:
    first, _ = await scene.run("hello", instructions="Speak like a pirate")
    thread = {"backend_id": first.backend_id}
    _, heard = await scene.run("[[instructions]]", **thread)
    assert heard.text.rstrip().endswith("The earlier instructions no longer hold.")
    await scene.den.close_home("wsp_1")
    _, heard = await scene.run("[[instructions]]", instructions="Speak like a pirate", **thread)
    assert heard.text.count("no longer hold") == 1
    assert heard.text.rstrip().endswith("in place of all earlier ones:\nSpeak like a pirate")


@codex
async def test_instructions_that_stay_are_not_said_again_to_another_process(scene: Scene) -> None:
    told = {"instructions": "Speak like a pirate"}
    first, _ = await scene.run("hello", **told)
    await scene.den.close_home("wsp_1")
    _, heard = await scene.run("[[instructions]]", backend_id=first.backend_id, **told)
    assert heard.text.count("pirate") == 1


@by_exec
async def test_exec_says_later_instructions_in_front_of_the_prompt(scene: Scene) -> None:
    told = {"instructions": "Speak like a pirate"}
    first, _ = await scene.run("hello", **told)
    thread = {"backend_id": first.backend_id}
    for instructions in (told["instructions"], "Speak like a judge", "Speak like a judge", ""):
        await scene.run("go on", instructions=instructions, **thread)
    heard = [seen.conversation.prompts[-1] for seen in scene.server.requests]
    assert heard[:2] == ["hello", "go on"]
    assert "judge" in heard[2]
    assert heard[2].endswith("go on")
    assert heard[3] == "go on"
    assert heard[4] == "The earlier instructions no longer hold.\n\ngo on"


@both
async def test_variables_in_the_home_change_nothing_of_ours(scene: Scene) -> None:
    await scene.run("hello")
    await scene.den.close_home("wsp_1")
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


@both
async def test_the_cli_lists_its_models_and_asks_nobody_for_them(scene: Scene) -> None:
    listed = await scene.learnt("gpt-5.5")
    assert listed[0] == CODEX.model
    assert "codex-auto-review" not in listed
    assert not scene.server.paths


@codex
async def test_a_thread_that_changes_its_transport_pays_for_no_turn_twice(scene: Scene) -> None:
    first, heard = await scene.run("hello")
    thread = {"model": CODEX.model, "backend_id": first.backend_id}
    inputs = [heard.usage and heard.usage.input]
    for transport in ("process", "persistent", "process"):
        await scene.den.close_home("wsp_1")
        make = partial(runtime_of, CODEX, base_url=scene.address, transport=transport)
        async with a_den_of(scene.den.root, make, walls=True, vault=KeyEach()) as den:
            for prompt in ("[[write:a.txt=one]] [[text:ok]]", "hello"):
                outcome, heard = await den.run(prompt, **thread)
                assert outcome.backend_id == first.backend_id
                inputs.append(heard.usage and heard.usage.input)
    assert inputs == [120, 240, 120, 240, 120, 240, 120]


@both
async def test_a_thread_whose_first_turn_was_stopped_counts_from_there(scene: Scene) -> None:
    stopped = await scene.cancel(f"[[shell:sleep {CODEX.nap}]]", ToolStarted)
    (seen,) = stopped.of(BackendSeen)
    assert stopped.usage is not None and stopped.usage.input == 120
    _, heard = await scene.run("[[write:a.txt=one]] [[text:ok]]", backend_id=seen.backend_id)
    assert heard.usage is not None and heard.usage.input == 240


@by_exec
async def test_without_a_record_of_the_thread_there_is_no_number(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    with pytest.MonkeyPatch.context() as lost:
        lost.setattr(runtime, "noted", lambda *_: None)
        outcome, heard = await scene.run("hello", backend_id=first.backend_id)
    assert (outcome.status, heard.usage) == ("completed", None)


@both
@oddly
async def test_the_rest_of_a_message_comes_with_its_end(scene: Scene, prompt: str) -> None:
    outcome, heard = await scene.run(f"{prompt} [[end:rest]]")
    assert (outcome.status, heard.text) == ("completed", SAID)


@both
@oddly
async def test_a_message_that_never_ends_is_no_success(scene: Scene, prompt: str) -> None:
    first, _ = await scene.run("hello")
    outcome, heard = await scene.run(f"{prompt} [[end:open]]", backend_id=first.backend_id)
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert heard.text == (SAID if scene.stays else "")
    again, heard = await scene.run("[[text:fine]]", backend_id=first.backend_id)
    assert (again.status, heard.text) == ("completed", "fine")
    assert again.backend_id == first.backend_id


@both
@oddly
async def test_a_refusal_of_the_model_is_no_plain_success(scene: Scene, prompt: str) -> None:
    outcome, heard = await scene.run(f"{prompt} [[end:refusal]]")
    if scene.stays:
        assert (outcome.status, outcome.finish_reason) == ("completed", "content_filter")
        assert heard.text == SAID
    else:
        assert (outcome.status, outcome.cause, heard.text) == ("failed", "content_filter", "")


@both
async def test_a_refusal_of_which_nothing_was_said_is_a_failure(scene: Scene) -> None:
    outcome, heard = await scene.run("[[text:]] [[end:refusal]]")
    assert (outcome.status, outcome.cause, heard.text) == ("failed", "content_filter", "")


@both
async def test_an_answer_of_nothing_is_one_behind_a_tool_only(scene: Scene) -> None:
    outcome, _ = await scene.run("[[end:nothing]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    outcome, heard = await scene.run(f"{TOOL} [[end:nothing]]")
    assert (outcome.status, heard.text) == ("completed", "")
