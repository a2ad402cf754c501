"""How hard a model is to think: each CLI that can be told tells it to the model, for one turn."""

import json
from typing import Any

import pytest

from tests.cli_scenes import Scene, scenes, together
from tests.clis import CLAUDE, CODEX, GEMINI, OPENCODE

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

told = together(
    scenes(CODEX, CLAUDE, transports="persistent process"), scenes(OPENCODE, soak="process")
)
"""By both transports; a start of opencode for each turn is the long torture's."""


def effort_of(scene: Scene) -> Any:
    """The effort that the model was last asked for, in its vendor's words; None if none was."""
    body = json.loads(scene.post.bodies[-1])
    match scene.cli.name:
        case "codex":
            return (body.get("reasoning") or {}).get("effort")
        case "claude":
            return body["output_config"]["effort"]
        case _:
            return body.get("reasoning_effort")


@told
async def test_an_effort_holds_for_its_turn_and_for_no_other_of_the_thread(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    assert first.status == "completed", first
    usual, thread = effort_of(scene), {"backend_id": first.backend_id}
    heard = []
    for effort in ("low", "xhigh", None):
        outcome, _ = await scene.run("go on", effort=effort, **thread)
        assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id), outcome
        heard.append(effort_of(scene))
    assert heard == ["low", "xhigh", usual]


@scenes(OPENCODE, transports="process")
async def test_a_process_of_opencodes_own_tells_the_effort_of_its_turn(scene: Scene) -> None:
    outcome, _ = await scene.run("hello", effort="low")
    assert (outcome.status, effort_of(scene)) == ("completed", "low"), outcome


@scenes(GEMINI)
async def test_gemini_takes_no_effort(scene: Scene) -> None:
    assert list(scene.den.pool.efforts("gemini")) == []
