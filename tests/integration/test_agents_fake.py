"""Turns of an agent that behaves well, badly and not at all, in processes without walls."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from codara.adapters.agents.settings import AgentSettings
from codara.application.ports.frames import (
    BackendSeen,
    QuotaSeen,
    ReasoningDelta,
    RetryNotice,
    TextDelta,
    ToolStarted,
)
from codara.clock import utc_now
from codara.errors import AgentFailed
from tests.agenting import FAKE, Den, Listener, a_den, a_program
from tests.jailing import need_bubblewrap


@pytest.fixture
async def den(tmp_path: Path) -> AsyncIterator[Den]:
    settings = AgentSettings(binary=str(FAKE), default_model="fake-default", max_processes=2)
    async with a_den(tmp_path, settings, walls=False) as den:
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
    await den.pool.close_home("wsp_1")
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
    assert heard.text == "be brief | be long"


async def test_a_silent_agent_has_stalled(den: Den) -> None:
    outcome, _ = await den.run("[[silence]]", stall_timeout=0.2)
    assert (outcome.status, outcome.cause) == ("failed", "stalled")
    assert den.journal.killings == ["stalled"]


async def test_retry_notices_are_no_progress(den: Den) -> None:
    outcome, heard = await den.run("[[retries]]", stall_timeout=0.3)
    assert outcome.cause == "stalled"
    assert heard.of(RetryNotice)


async def test_the_whole_turn_has_a_limit(den: Den) -> None:
    until = utc_now() + timedelta(seconds=0.5)
    outcome, _ = await den.run("[[silence]]", stall_timeout=0, until=until)
    assert (outcome.status, outcome.cause) == ("failed", "timeout")


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


async def test_an_agent_that_dies_has_crashed_and_the_next_turn_works(den: Den) -> None:
    outcome, heard = await den.run("[[text:so far]] [[exit:3]]")
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    assert "exit code 3" in outcome.message
    assert "the fake agent gives up" in outcome.message
    assert heard.text == "so far"
    outcome, _ = await den.run("hello", backend_id=outcome.backend_id)
    assert outcome.status == "completed"


async def test_half_a_line_is_a_crash_even_with_exit_code_0(den: Den) -> None:
    outcome, heard = await den.run("[[half]]")
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    assert heard.warnings == ["ignored 1 lines that are no JSON objects"]


async def test_lines_that_are_no_protocol_are_counted_and_ignored(den: Den) -> None:
    outcome, heard = await den.run("[[garbage]] [[text:fine]]")
    assert outcome.status == "completed"
    assert heard.text == "fine"
    assert heard.warnings == ["ignored 3 lines that are no JSON objects"]
    assert b"warning: this is no JSON" in heard.lines


async def test_invalid_utf8_and_half_surrogates_become_replacement_characters(den: Den) -> None:
    outcome, heard = await den.run("[[badutf8]] [[surrogate]]")
    assert outcome.status == "completed"
    assert heard.text == "bad \ufffd byte half \ufffd pair "


async def test_a_line_of_12_mib_survives(den: Den) -> None:
    size = 12 * 1024 * 1024
    outcome, heard = await den.run(f"[[huge:{size}]]")
    assert outcome.status == "completed"
    assert len(heard.text) == size


async def test_a_line_without_end_is_a_protocol_failure(den: Den) -> None:
    outcome, _ = await den.run("[[endless]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")


async def test_a_typed_failure_keeps_its_cause_and_the_process(den: Den) -> None:
    outcome, heard = await den.run("[[quota:100]] [[fail:usageLimitExceeded]]")
    assert (outcome.status, outcome.cause) == ("failed", "quota_exhausted")
    assert outcome.resets_at is not None
    assert len(heard.of(QuotaSeen)) == 1
    await den.run("hello")
    assert den.journal.started_jails == 1


async def test_a_cancelled_turn_is_interrupted_and_the_process_stays(den: Den) -> None:
    await _cancel(den, "[[text:on]] [[silence]]", TextDelta)
    assert den.journal.killings == []
    outcome, _ = await den.run("hello")
    assert outcome.status == "completed"
    assert den.journal.started_jails == 1


async def test_an_agent_deaf_to_the_interrupt_is_killed(den: Den) -> None:
    await _cancel(den, "[[text:on]] [[deaf]]", TextDelta)
    assert den.journal.killings == ["cancelled"]


async def test_cancelling_while_a_tool_runs_leaves_no_tool_behind(den: Den) -> None:
    await _cancel(den, "[[tool]]", ToolStarted)
    assert den.journal.killings == ["cancelled"]
    assert not _running(den.journal.pids[-1])


async def test_a_child_that_outlives_its_turn_is_killed(den: Den) -> None:
    outcome, _ = await den.run("[[child]] [[text:done]]")
    assert outcome.status == "completed"
    assert den.journal.killings == ["a tool outlived its turn"]


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
    settings = AgentSettings(binary=str(FAKE), idle_seconds=0.0)
    async with a_den(tmp_path, settings, walls=False) as den:
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


async def test_a_banner_before_the_protocol_does_no_harm(tmp_path: Path) -> None:
    settings = AgentSettings(binary=str(a_program(tmp_path / "bin", "--banner")))
    async with a_den(tmp_path, settings, walls=False) as den:
        outcome, heard = await den.run("hello")
        assert outcome.status == "completed"
        assert heard.warnings == ["ignored 1 lines that are no JSON objects"]


async def test_a_program_that_does_not_start_says_why(tmp_path: Path) -> None:
    program = str(a_program(tmp_path / "bin", "--dead"))
    settings = AgentSettings(binary=program, transport="persistent")
    async with a_den(tmp_path, settings, walls=False) as den:
        with pytest.raises(AgentFailed, match="the fake agent does not start"):
            await den.run("hello")
        assert den.pool.processes()["codex"] == 0


async def test_after_three_starts_in_vain_the_app_server_is_not_tried_again(tmp_path: Path) -> None:
    settings = AgentSettings(binary=str(a_program(tmp_path / "bin", "--old")))
    async with a_den(tmp_path, settings, walls=False) as den:
        for _ in range(4):
            outcome, heard = await den.run("hello")
            assert (outcome.status, heard.text) == ("completed", "You said: hello")
            assert heard.usage is not None and heard.usage.input == 10
            assert den.pool.processes()["codex"] == 0
        assert den.journal.started_jails == 3 + 4


@pytest.mark.cli
async def test_the_scripted_agent_works_behind_walls_too(tmp_path: Path) -> None:
    need_bubblewrap()
    async with a_den(tmp_path, AgentSettings(binary=str(FAKE)), walls=True) as den:
        outcome, heard = await den.run("[[write:a.txt]] [[text:done]]")
        assert (outcome.status, outcome.jailed, heard.text) == ("completed", True, "done")
        assert (den.workspace() / "a.txt").exists()
        assert den.journal.killings == []


async def test_a_missing_program_names_the_remedy(tmp_path: Path) -> None:
    settings = AgentSettings(binary=str(tmp_path / "nowhere" / "codex"))
    async with a_den(tmp_path, settings, walls=False) as den:
        with pytest.raises(AgentFailed, match="npm install --no-save --prefix agents"):
            await den.run("hello")


async def test_the_models_are_the_default_until_the_cli_has_listed_its_own(den: Den) -> None:
    assert await den.pool.models("codex") == ("fake-default",)
    await den.run("hello")
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


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
