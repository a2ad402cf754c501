"""Turns that may only talk, by the real CLIs: what tools the model is offered."""

import json
from typing import Any

import pytest

from tests.cli_scenes import Scene, scenes
from tests.clis import CLAUDE, CODEX, GEMINI, OPENCODE

pytestmark = [
    pytest.mark.cli,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

quick = scenes(CODEX, GEMINI, CLAUDE, transports="persistent process")
slow = scenes(OPENCODE, soak="process")
of_codex = scenes(CODEX, transports="persistent process")

FEWEST = {"gemini": {"list_background_processes"}}
"""What a CLI offers that has to offer something."""


def offered(body: bytes) -> set[str]:
    """The names of all tools in a request, in whichever of the four wire formats."""
    asked = json.loads(body)
    said = [each for each in asked.get("input", ()) if isinstance(each, dict)]
    lists = [asked.get("tools") or (), *(each.get("tools") or () for each in said)]
    return {name for tools in lists for tool in tools for name in names(tool)}


def names(tool: dict[str, Any]) -> list[str]:
    if "functionDeclarations" in tool:
        return [str(each["name"]) for each in tool["functionDeclarations"]]
    if tool.get("type") == "namespace":
        return [str(each["name"]) for each in tool["tools"]]
    return [str(tool.get("name") or tool.get("function", tool).get("name") or tool["type"])]


def written(scene: Scene) -> set[str]:
    return {path.name for path in scene.den.workspace().glob("*.txt")}


async def switches(scene: Scene, *turns: bool) -> None:
    """One thread, with tools and without them by turns; the model tries to write in each of them.

    A thread of codex keeps the list it began with in its history, where the model hears later that
    it is not available any more: so it begins without.
    """
    fewest, thread = FEWEST.get(scene.cli.name, set()), None
    for number, toolless in enumerate(turns):
        before, name = written(scene), f"{number}.txt"
        outcome, heard = await scene.run(
            f"[[write:{name}=x]] [[text:hi]]", backend_id=thread, toolless=toolless
        )
        assert (outcome.status, heard.warnings) == ("completed", [])
        assert thread in (None, outcome.backend_id)
        thread = outcome.backend_id
        tools = offered(scene.post.bodies[-1])
        assert tools == fewest if toolless else tools > fewest
        assert written(scene) - before == (set() if toolless else {name})


@quick
async def test_a_turn_that_may_only_talk_has_no_tools_and_the_next_one_has(scene: Scene) -> None:
    await switches(scene, True, False, True)


@of_codex
async def test_a_thread_of_codex_that_had_tools_can_use_them_no_more(scene: Scene) -> None:
    outcome, _ = await scene.run("[[write:a.txt=x]]")
    talking, _ = await scene.run("[[write:b.txt=x]]", backend_id=outcome.backend_id, toolless=True)
    assert (talking.status, talking.backend_id) == ("completed", outcome.backend_id)
    assert written(scene) == {"a.txt"}
    assert b"no longer available" in scene.post.bodies[-1]


@slow
async def test_opencode_has_tools_or_none_turn_by_turn_in_one_process(scene: Scene) -> None:
    await scene.run("[[text:hi]]")
    starts = scene.starts
    await switches(scene, False, True, False, True)
    assert scene.starts == starts or not scene.stays


@of_codex
@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-luna", "unheard-of"])
async def test_codex_has_no_tools_with_any_kind_of_model(scene: Scene, model: str) -> None:
    outcome, _ = await scene.run("[[text:hi]]", toolless=True, model=model)
    assert (outcome.status, offered(scene.post.bodies[-1])) == ("completed", set())
    await scene.run("[[text:hi]]", model=model)
    assert len(offered(scene.post.bodies[-1])) > 1
