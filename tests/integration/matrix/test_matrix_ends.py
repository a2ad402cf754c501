"""Every CLI: a turn that is cancelled, killed or done leaves nothing behind."""

import os

import pytest

from codara.application.ports.frames import TextDelta
from tests.cli_scenes import Scene, everywhere
from tests.processes import sleeping

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]


@everywhere
async def test_cancelling_a_running_tool_leaves_no_process_behind(scene: Scene) -> None:
    await scene.cancel(f"[[shell:sleep {scene.cli.nap}; echo late > late.txt]]", scene.sign)
    assert sleeping(scene.cli.nap) == []
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed"
    assert list(scene.den.workspace().iterdir()) == []


@everywhere
async def test_cancelling_an_answer_keeps_the_process_and_the_thread(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    started = scene.starts
    told = {"backend_id": first.backend_id}
    if scene.in_pieces:
        await scene.cancel("[[hang:mid]]", TextDelta, **told)
    else:
        async with scene.waiting("[[hang:mid]]", len(scene.post.bodies) + 1, **told):
            pass
    outcome, heard = await scene.run("[[history]]", **told)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
    assert heard.text.splitlines()[1] == "1. hello"
    if scene.stays:
        assert (scene.starts, scene.den.journal.killings) == (started, [])
    else:
        assert (scene.starts, scene.den.journal.killings) == (started + 2, ["cancelled"])


@everywhere
async def test_a_process_killed_in_the_middle_of_a_turn_has_crashed(scene: Scene) -> None:
    async with scene.under_way(f"[[shell:sleep {scene.cli.nap}]]", scene.sign) as task:
        os.kill(scene.den.journal.pid_of["wsp_1"], 9)
        outcome = await task
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    assert sleeping(scene.cli.nap) == []
    again, heard = await scene.run("hello", backend_id=outcome.backend_id)
    assert again.status == "completed"
    kept = again.backend_id == outcome.backend_id
    assert heard.warnings == ([] if kept else ["fresh_thread"])


@everywhere
async def test_a_process_left_in_the_background_ends_with_its_turn(scene: Scene) -> None:
    left = f"[[shell:setsid sleep {scene.cli.nap} > /dev/null 2>&1 &]]"
    outcome, _ = await scene.run(f"{left} [[text:ok]]")
    assert outcome.status == "completed"
    assert sleeping(scene.cli.nap) == []
    again, heard = await scene.run("[[history]]", backend_id=outcome.backend_id)
    assert again.backend_id == outcome.backend_id
    assert heard.text.startswith("user messages: 2\n")
