"""Turns of a scripted opencode, without walls; what holds for every agent is elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.application.ports.agents import Fork
from codara.application.ports.frames import RetryNotice, TextDelta, ToolStarted
from tests.agent_pool import Den
from tests.scripted_agents import TRANSPORTS, a_scripted_den

both = pytest.mark.parametrize("den", TRANSPORTS, indirect=True)


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    transport = getattr(request, "param", "persistent")
    async with a_scripted_den(tmp_path, "opencode", transport=transport) as den:
        yield den


@both
async def test_an_answer_that_is_begun_again_is_no_success(den: Den) -> None:
    outcome, heard = await den.run("[[twice]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert outcome.message.endswith("The provider is overloaded")
    assert heard.of(RetryNotice)


@both
async def test_a_request_that_the_provider_refused_keeps_its_cause(den: Den) -> None:
    outcome, _ = await den.run("[[refused:401]] [[blame:401]]")
    assert (outcome.status, outcome.cause) == ("failed", "auth_failed")
    assert outcome.message == "failed as told"


async def test_a_prompt_that_opencode_refuses_fails_the_turn_and_nothing_else(den: Den) -> None:
    outcome, _ = await den.run("[[refuse:500]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "opencode answered 500" in outcome.message
    outcome, _ = await den.run("hello")
    assert (outcome.status, den.journal.started_jails) == ("completed", 1)


async def test_an_answer_without_end_is_not_read_for_ever(den: Den) -> None:
    outcome, _ = await den.run("[[flood]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "without end" in outcome.message
    outcome, _ = await den.run("hello", backend_id=outcome.backend_id)
    assert outcome.status == "completed"


async def test_a_session_too_long_to_be_looked_through_has_no_copy(den: Den) -> None:
    fork = Fork(backend_id="ses_long", mark="msg_1")
    outcome, heard = await den.run("no", fork=fork, fresh_prompt="all of it")
    assert (outcome.status, heard.text) == ("completed", "You said: all of it")
    assert (heard.warnings, den.journal.killings) == (["fresh_thread"], [])


async def test_an_answer_that_is_none_is_no_success(den: Den) -> None:
    outcome, _ = await den.run("[[nonsense]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "no answer" in outcome.message


async def test_an_opencode_whose_events_end_is_ended(den: Den) -> None:
    outcome, _ = await den.run("[[hangup]]")
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    assert den.journal.killings == ["its events ended"]
    outcome, _ = await den.run("hello", backend_id=outcome.backend_id)
    assert outcome.status == "completed"


async def test_events_that_come_long_after_the_answer_are_heard(den: Den) -> None:
    outcome, heard = await den.run("[[late:1.5]] [[text:one two three]]")
    assert (outcome.status, heard.text) == ("completed", "one two three")
    assert len(heard.of(TextDelta)) == 3


@pytest.mark.parametrize("den", ["process"], indirect=True)
async def test_a_death_in_the_middle_of_a_step_may_have_begun_something(den: Den) -> None:
    outcome, heard = await den.run("[[exit:3]]")
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    assert [frame.kind for frame in heard.of(ToolStarted)] == ["unknown"]
    _, heard = await den.run("hello")
    assert heard.of(ToolStarted) == []
