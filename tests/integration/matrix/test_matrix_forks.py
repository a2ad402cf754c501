"""Every CLI: a thread branches at the end of an earlier turn, and stays as it is itself."""

from typing import Any

import pytest

from codara.application.ports.agents import Fork, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen
from tests.cli_scenes import Scene, everywhere, quickly, scenes, together
from tests.clis import CLAUDE, CODEX, GEMINI, OPENCODE
from tests.fakes.sink import Listener

pytestmark = [
    pytest.mark.cli,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]


staying = together(
    scenes(CODEX, transports="persistent process"), scenes(GEMINI, OPENCODE, CLAUDE, soak="process")
)
"""By the transport that stays, and by the other one where that is quickest."""
slowest = scenes(GEMINI, OPENCODE, transports="process")
restarted = together(
    scenes(CODEX, GEMINI, CLAUDE, soak="process"),
    scenes(OPENCODE, transports="", soak="persistent process"),
)
"""Where it takes a new process again and again."""

PATIENT = {"stall_timeout": 0.0}
"""On a busy machine `opencode run` may take longer to start than a turn's silence may last."""
PROMPTS = ("one", "two [[write:a.txt=x]] [[text:the second answer]]", "three [[text:third]]")


def mark_of(heard: Listener) -> str:
    """The point the thread had reached by the end of the turn."""
    return heard.of(MarkSeen)[-1].mark


def prompts(scene: Scene) -> list[str]:
    """What the model was told last, prompt by prompt."""
    return list(scene.server.requests[-1].conversation.prompts)


async def a_thread(scene: Scene, *said: str, **changes: Any) -> tuple[str, list[Fork]]:
    """A thread of these turns, and a fork after each of them."""
    thread, forks = None, []
    for prompt in said:
        outcome, heard = await scene.run(prompt, backend_id=thread, **changes)
        assert (outcome.status, heard.warnings) == ("completed", [])
        thread = str(outcome.backend_id)
        forks.append(Fork(backend_id=thread, mark=mark_of(heard)))
    return str(thread), forks


async def forked(
    scene: Scene, fork: Fork, prompt: str = "forked", **changes: Any
) -> tuple[Outcome, Listener]:
    """A turn that begins with a copy."""
    outcome, heard = await scene.run(prompt, fork=fork, fresh_prompt="no copy", **changes)
    assert (outcome.status, heard.warnings) == ("completed", [])
    assert outcome.backend_id not in (None, fork.backend_id)
    assert BackendSeen(str(outcome.backend_id)) in heard.of(BackendSeen)
    return outcome, heard


@quickly
async def test_a_fork_has_the_turns_up_to_its_point_and_the_thread_has_all_of_its_own(
    scene: Scene,
) -> None:
    thread, (first, second, _) = await a_thread(scene, *PROMPTS)
    one, _ = await forked(scene, first)
    assert prompts(scene) == [PROMPTS[0], "forked"]
    two, _ = await forked(scene, second)
    assert prompts(scene) == [*PROMPTS[:2], "forked"]
    assert b"the second answer" in scene.post.bodies[-1]
    assert len({thread, one.backend_id, two.backend_id}) == 3
    original, heard = await scene.run("four", backend_id=thread)
    assert (original.backend_id, heard.warnings) == (thread, [])
    assert prompts(scene) == [*PROMPTS, "four"]
    again, heard = await scene.run("on", backend_id=one.backend_id)
    assert (again.backend_id, heard.warnings) == (one.backend_id, [])
    assert prompts(scene) == [PROMPTS[0], "forked", "on"]


@slowest
async def test_a_thread_goes_on_and_is_forked_in_processes_of_their_own(scene: Scene) -> None:
    started = scene.starts
    thread, (first, second) = await a_thread(scene, "one", "two", **PATIENT)
    assert (first.backend_id, second.backend_id) == (thread, thread)
    assert prompts(scene) == ["one", "two"]
    assert scene.starts == started + 2
    await forked(scene, first, **PATIENT)
    assert prompts(scene) == ["one", "forked"]


@staying
async def test_a_fork_of_an_unknown_thread_or_point_is_fresh(scene: Scene) -> None:
    thread, (point,) = await a_thread(scene, "one")
    _, (elsewhere,) = await a_thread(scene, "another")
    unknown = (
        Fork(backend_id=scene.cli.nobody, mark=point.mark),
        Fork(backend_id=thread, mark=elsewhere.mark),
    )
    for fork in unknown:
        outcome, heard = await scene.run("no", fork=fork, fresh_prompt="all of it")
        assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])
        assert prompts(scene) == ["all of it"]
        assert outcome.backend_id not in (None, thread, elsewhere.backend_id, scene.cli.nobody)
    again, _ = await scene.run("two", backend_id=thread)
    assert (again.backend_id, prompts(scene)) == (thread, ["one", "two"])


@staying
async def test_usage_of_a_forked_turn_is_its_own(scene: Scene) -> None:
    _, (first, _, third) = await a_thread(scene, *PROMPTS)
    for name, fork in (("b.txt", first), ("c.txt", third)):
        outcome, one = await forked(scene, fork, f"[[write:{name}=x]] [[text:ok]]")
        _, two = await scene.run("on", backend_id=outcome.backend_id)
        assert one.usage is not None and two.usage is not None
        assert (one.usage.input, one.usage.output) == (240, 24)
        assert (two.usage.input, two.usage.output) == (120, 12)


@restarted
async def test_a_thread_is_forked_in_another_process(scene: Scene) -> None:
    thread, (first, second) = await a_thread(scene, *PROMPTS[:2])
    await scene.den.close_home("wsp_1")
    copy, heard = await forked(scene, first)
    assert prompts(scene) == [PROMPTS[0], "forked"]
    assert heard.usage is not None and heard.usage.input == 120
    await scene.den.close_home("wsp_1")
    await forked(scene, Fork(backend_id=str(copy.backend_id), mark=mark_of(heard)), "again")
    assert prompts(scene) == [PROMPTS[0], "forked", "again"]
    _, heard = await scene.run("on", backend_id=thread)
    await forked(scene, second)
    assert prompts(scene) == [*PROMPTS[:2], "forked"]
    await forked(scene, Fork(backend_id=thread, mark=mark_of(heard)), "behind")
    assert prompts(scene) == [*PROMPTS[:2], "on", "behind"]


@everywhere
async def test_a_fork_has_its_own_instructions(scene: Scene) -> None:
    pirate, judge = "Speak like a pirate", "Speak like a judge"
    first, heard = await scene.run("one", instructions=pirate)
    thread = str(first.backend_id)
    fork = Fork(backend_id=thread, mark=mark_of(heard))
    await scene.run("two", backend_id=thread, instructions=judge)
    for instructions in (pirate, judge):
        await scene.run("forked", fork=fork, instructions=instructions)
        request = scene.server.requests[-1].conversation
        said = "\n".join((*request.instructions, *request.prompts))
        assert said.rfind(instructions) > said.rfind(pirate if instructions == judge else judge)
