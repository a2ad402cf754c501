"""How much every CLI takes at once: a long prompt is refused, or arrives as a whole."""

import pytest

from codara.adapters.agents.registry import maker
from codara.adapters.agents.runtime import CliRuntime
from codara.adapters.agents.session.bounds import PromptBound
from tests.cli_scenes import Scene, everywhere

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

LEAST = 1 << 20
"""The number of characters that the CLI takes which takes least."""


def bound_of(scene: Scene) -> PromptBound | None:
    runtime = maker(scene.cli.name)
    assert isinstance(runtime, type)
    assert issubclass(runtime, CliRuntime)
    return runtime.bound_of_staying if scene.stays else runtime.bound_of_passing


@everywhere
@pytest.mark.parametrize("length", [LEAST, 2 * LEAST])
async def test_a_long_prompt_is_refused_or_told_whole_and_never_cut(
    scene: Scene, length: int
) -> None:
    text = "[[text:so it is]] " + "word " * ((length - 30) // 5) + "the end"
    assert length - 10 < len(text) <= length
    bound = bound_of(scene)
    outcome, heard = await scene.run(text)
    if outcome.cause == "context_full":
        assert heard.text == ""
        assert bound is None or bound.excess(text), "it takes less than its runtime says"
        return
    assert (outcome.status, heard.text) == ("completed", "so it is")
    assert scene.server.requests[-1].conversation.prompts[-1].rstrip().endswith("the end")
    assert bound is None or not bound.excess(text), "it takes more than its runtime says"
