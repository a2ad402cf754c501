"""Every CLI in a real jail: the tokens of a turn are its own, all of them, on every path."""

import pytest

from tests.cli_scenes import Scene, everywhere, scenes
from tests.clis import CLAUDE, CLIS, CODEX, GEMINI, OPENCODE
from tests.fakes.sink import Listener

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

TWO_REQUESTS = "[[think:hm]] [[write:a.txt=one]] [[text:ok]]"

counting = scenes(CODEX, GEMINI, CLAUDE, soak="process")
"""Those that tell the tokens of a request before its tools have ended."""
delegating = scenes(*CLIS, soak="process", without=(CODEX, OPENCODE))
"""Like `everywhere`, but not by `codex exec` and `opencode run`, silent on sub-agents' tokens."""


def taken(scene: Scene, requests: int, *, thoughts: int = 0) -> dict[str, int]:
    """What the scripted server says that so many whole requests took."""
    return {
        "input": 120 * requests,
        "cached": 40 * requests,
        "cache_write": scene.cli.cache_write * requests,
        "output": 12 * requests,
        "reasoning": scene.cli.thinking * thoughts,
    }


def counted(heard: Listener) -> dict[str, int]:
    """What the turn took in the end; nothing where nobody said so."""
    names = ("input", "cached", "cache_write", "output", "reasoning")
    return {name: getattr(heard.usage, name, 0) for name in names}


@everywhere
async def test_usage_counts_every_request_of_the_turn_and_of_no_other(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    scene.server.requests.clear()
    second, heard = await scene.run(TWO_REQUESTS, backend_id=first.backend_id)
    assert (second.status, len(scene.server.requests)) == ("completed", 2)
    assert counted(heard) == taken(scene, 2, thoughts=1)


@delegating
async def test_what_a_sub_agent_took_is_the_turns_and_what_it_said_is_not(scene: Scene) -> None:
    outcome, heard = await scene.run("[[delegate:Say something]] [[text:ok]]")
    assert (outcome.status, heard.text) == ("completed", "ok")
    assert len(scene.server.requests) > 2
    assert counted(heard) == taken(scene, len(scene.server.requests))


@everywhere
async def test_usage_after_a_resume_in_another_process_is_the_turns_own(scene: Scene) -> None:
    first, one = await scene.run(TWO_REQUESTS)
    await scene.den.close_home("wsp_1")
    second, two = await scene.run("hello", backend_id=first.backend_id)
    await scene.den.close_home("wsp_1")
    third, three = await scene.run(TWO_REQUESTS, backend_id=first.backend_id)
    assert {second.backend_id, third.backend_id} == {first.backend_id}
    assert counted(one) == counted(three) == taken(scene, 2, thoughts=1)
    assert counted(two) == taken(scene, 1)


@everywhere
async def test_the_numbers_of_every_request_are_kept(scene: Scene) -> None:
    _, heard = await scene.run("[[write:a.txt=one]] [[write:b.txt=two]] [[text:ok]]")
    assert heard.usage is not None
    reports, left_out = heard.usage.raw.newest, heard.usage.raw.left_out
    of_the_turn = {"claude": 1, "codex": 0 if scene.stays else 1}.get(scene.cli.name, 0)
    of_requests = 0 if scene.cli.name == "codex" and not scene.stays else 3
    assert (len(reports), left_out) == (of_requests + of_the_turn, 0)


@counting
async def test_a_turn_that_was_stopped_at_its_tool_has_its_tokens_and_the_next_its_own(
    scene: Scene,
) -> None:
    first, _ = await scene.run("hello")
    thread = {"backend_id": first.backend_id}
    stopped = await scene.cancel(f"[[shell:sleep {scene.cli.nap}]]", scene.sign, **thread)
    assert stopped.usage is not None
    assert (stopped.usage.input, stopped.usage.cached) == (120, 40)
    again, after = await scene.run("hello", **thread)
    assert again.status == "completed"
    assert counted(after) == taken(scene, 1)


@everywhere
async def test_a_turn_that_failed_has_the_tokens_it_took(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    thread = {"backend_id": first.backend_id}
    outcome, failed = await scene.run("[[write:a.txt=one]] [[fail:nomodel]]", **thread)
    assert outcome.status == "failed"
    assert counted(failed) == taken(scene, 1)
    again, after = await scene.run("hello", **thread)
    assert again.status == "completed"
    assert counted(after) == taken(scene, 1)
