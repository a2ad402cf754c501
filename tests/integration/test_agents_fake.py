"""Turns of a scripted codex, without walls; what holds for every agent is elsewhere."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from codara.application.ports.frames import (
    BackendSeen,
    QuotaSeen,
    ReasoningDelta,
    TextDelta,
    ToolStarted,
)
from codara.clock import utc_now
from codara.errors import AgentFailed
from tests.agent_pool import Den
from tests.fakes.sink import Listener
from tests.scripted_agents import a_scripted_den, stubborn

INSTEAD = "Instructions from now on, in place of all earlier ones:\n"


@pytest.fixture
async def den(tmp_path: Path) -> AsyncIterator[Den]:
    told = {"default_model": "fake-default", "max_processes": 2}
    async with a_scripted_den(tmp_path, "codex", **told) as den:
        yield den


async def test_the_answer_comes_in_pieces(den: Den) -> None:
    outcome, heard = await den.run("[[think:hm]] [[text:one two three]]")
    assert outcome.status == "completed"
    assert [delta.text for delta in heard.of(TextDelta)] == ["one ", "two ", "three"]
    assert heard.of(ReasoningDelta) == [ReasoningDelta("hm")]
    assert not outcome.jailed


async def test_the_next_turn_goes_on_in_the_same_process_and_thread(den: Den) -> None:
    first, _ = await den.run("hello")
    second, heard = await den.run("again", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.of(BackendSeen) == [BackendSeen(str(first.backend_id))]
    assert den.journal.started_jails == 1


async def test_usage_is_that_of_the_turn_and_not_of_the_thread(den: Den) -> None:
    first, heard = await den.run("hello")
    assert heard.usage is not None and heard.usage.input == 10
    _, heard = await den.run("again", backend_id=first.backend_id)
    assert heard.usage is not None and heard.usage.input == 10


async def test_a_new_process_resumes_the_thread(den: Den) -> None:
    first, _ = await den.run("hello")
    await den.close_home("wsp_1")
    second, heard = await den.run("again", backend_id=first.backend_id)
    assert second.backend_id == first.backend_id
    assert heard.warnings == []
    assert den.journal.started_jails == 2


async def test_an_unknown_thread_is_replaced_by_a_fresh_one_and_says_so(den: Den) -> None:
    outcome, heard = await den.run("hello", backend_id="thread-of-another-time")
    assert outcome.status == "completed"
    assert outcome.backend_id != "thread-of-another-time"
    assert heard.warnings == ["fresh_thread"]
    assert heard.of(BackendSeen) == [BackendSeen(str(outcome.backend_id))]


async def test_changed_instructions_reach_a_thread_that_runs_already(den: Den) -> None:
    first, heard = await den.run("[[instructions]]", instructions="be brief")
    assert heard.text == "be brief"
    _, heard = await den.run(
        "[[instructions]]", instructions="be long", backend_id=first.backend_id
    )
    assert heard.text == f"be brief | {INSTEAD}be long"


async def test_instructions_that_were_dropped_are_said_to_hold_no_longer(den: Den) -> None:
    first, _ = await den.run("[[instructions]]", instructions="be brief")
    for _ in range(2):
        _, heard = await den.run("[[instructions]]", backend_id=first.backend_id)
        assert heard.text == "be brief | The earlier instructions no longer hold."


async def test_a_thread_that_goes_on_in_another_process_is_told_only_what_is_new(den: Den) -> None:
    first, _ = await den.run("hello", instructions="be brief")
    told = {"backend_id": first.backend_id}
    for instructions, new in (
        ("be brief", "nothing new"),
        ("be long", f"{INSTEAD}be long"),
        ("be long", "nothing new"),
        ("", "The earlier instructions no longer hold."),
        ("", "nothing new"),
    ):
        await den.close_home("wsp_1")
        _, heard = await den.run("[[instructions]]", instructions=instructions, **told)
        assert heard.text == new


async def test_a_turn_that_cannot_get_a_process_in_time_ends_with_a_timeout(den: Den) -> None:
    blocked = asyncio.Event()
    tasks = [
        asyncio.create_task(
            den.pool.run(
                den.turn("[[text:on]] [[silence]]", workspace_id=f"wsp_{at}"),
                Listener().hope(TextDelta, blocked),
            )
        )
        for at in range(2)
    ]
    await blocked.wait()
    until = utc_now() + timedelta(seconds=0.2)
    outcome, _ = await den.run("hello", workspace_id="wsp_late", until=until)
    assert outcome.cause == "timeout"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_words_that_are_told_once_more_at_their_end_are_heard_once(den: Den) -> None:
    outcome, heard = await den.run("[[twice]]")
    assert (outcome.status, heard.text) == ("completed", "one two")


async def test_a_typed_failure_keeps_its_cause_and_the_process(den: Den) -> None:
    outcome, heard = await den.run("[[refused:429quota]] [[fail:usageLimitExceeded]]")
    assert (outcome.status, outcome.cause) == ("failed", "quota_exhausted")
    assert outcome.resets_at is not None
    assert len(heard.of(QuotaSeen)) == 1
    await den.run("hello")
    assert den.journal.started_jails == 1


async def test_of_quota_the_provider_alone_is_heard(den: Den) -> None:
    outcome, heard = await den.run("[[quota:100]] [[text:all is used up]]")
    assert (outcome.status, heard.text) == ("completed", "all is used up")
    assert heard.of(QuotaSeen) == []


async def test_cancelling_while_a_tool_runs_leaves_no_tool_behind(den: Den) -> None:
    await _cancel(den, "[[tool]]", ToolStarted)
    assert den.journal.killings == ["cancelled"]
    assert stubborn(den.root) == []


async def test_one_process_per_home_and_a_bounded_number_of_them(den: Den) -> None:
    turns = (den.run("hello", workspace_id=f"wsp_{at % 4}") for at in range(12))
    outcomes = await asyncio.gather(*turns)
    assert {outcome.status for outcome, _ in outcomes} == {"completed"}
    assert den.pool.processes()["codex"] <= 2


async def test_the_least_recently_used_home_makes_room(den: Den) -> None:
    for workspace in ("wsp_a", "wsp_b", "wsp_c"):
        await den.run("hello", workspace_id=workspace)
    started = den.journal.started_jails
    await den.run("hello", workspace_id="wsp_b")
    assert den.journal.started_jails == started
    await den.run("hello", workspace_id="wsp_a")
    assert den.journal.started_jails == started + 1


async def test_an_unused_process_is_ended_after_its_rest(tmp_path: Path) -> None:
    async with a_scripted_den(tmp_path, "codex", idle_seconds=0.0) as den:
        await den.run("hello")
        async with asyncio.timeout(10):
            while den.pool.processes()["codex"]:
                await asyncio.sleep(0)


async def test_a_process_that_died_in_its_sleep_is_noticed(den: Den) -> None:
    await den.run("hello")
    os.kill(den.journal.pids[-1], 9)
    async with asyncio.timeout(10):
        while den.pool.processes()["codex"]:
            await asyncio.sleep(0)
    outcome, _ = await den.run("hello")
    assert outcome.status == "completed"


async def test_the_models_are_the_default_until_the_cli_has_listed_its_own(den: Den) -> None:
    assert await den.pool.models("codex") == ("fake-default",)
    den.pool.learn("codex")
    async with asyncio.timeout(10):
        while await den.pool.models("codex") != ("fake-default", "fake-model"):
            await asyncio.sleep(0)


async def test_an_unknown_provider_is_refused(den: Den) -> None:
    with pytest.raises(AgentFailed, match="no agent runtime"):
        await den.run("hello", provider="nobody")


async def _cancel(den: Den, prompt: str, sign: type) -> None:
    seen = asyncio.Event()
    listener = Listener().hope(sign, seen)
    task = asyncio.create_task(den.pool.run(den.turn(prompt), listener))
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
