"""Turns of a scripted gemini, without walls; what holds for every agent is elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters.agents.gemini.chats import OLD
from codara.application.ports.frames import RetryNotice
from codara.errors import AgentFailed
from tests.agent_pool import Den
from tests.scripted_agents import TRANSPORTS, a_scripted_den

NOBODY = "00000000-0000-4000-8000-000000000000"

both = pytest.mark.parametrize("den", TRANSPORTS, indirect=True)


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    transport = getattr(request, "param", "persistent")
    async with a_scripted_den(tmp_path, "gemini", transport=transport) as den:
        yield den


@both
async def test_words_that_are_said_twice_are_heard_once(den: Den) -> None:
    outcome, heard = await den.run("[[twice]]")
    assert (outcome.status, heard.text) == ("completed", "one two")
    assert len(heard.of(RetryNotice)) == 1


@both
async def test_other_words_behind_half_an_answer_are_no_success(den: Den) -> None:
    outcome, heard = await den.run("[[torn]]")
    assert (outcome.status, outcome.cause, heard.text) == ("failed", "cut_stream", "one")
    assert "broke off" in outcome.message


@both
async def test_a_success_without_the_end_of_the_models_answer_is_none(den: Den) -> None:
    outcome, heard = await den.run("[[cut]]")
    assert (outcome.status, outcome.cause, heard.text) == ("failed", "cut_stream", "half of")
    assert "broke off" in outcome.message


@both
async def test_a_success_without_any_answer_of_a_model_is_none(den: Den) -> None:
    outcome, _ = await den.run("[[unasked]]")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "without an answer of the model" in outcome.message


@both
@pytest.mark.parametrize(
    ("kind", "cause"), [("401", "auth_failed"), ("429quota", "quota_exhausted")]
)
async def test_a_refusal_of_the_provider_keeps_its_cause(den: Den, kind: str, cause: str) -> None:
    outcome, _ = await den.run(f"[[fail:{kind}]]")
    assert (outcome.status, outcome.cause) == ("failed", cause)
    assert outcome.message


async def test_what_an_old_session_tells_again_is_no_answer(den: Den) -> None:
    first, _ = await den.run("hello")
    await den.close_home("wsp_1")
    outcome, heard = await den.run("again", backend_id=first.backend_id)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id)
    assert heard.text == "You said: again"


async def test_a_record_that_cannot_be_made_ready_is_named(den: Den) -> None:
    first, _ = await den.run("hello")
    await den.close_home("wsp_1")
    (record,) = (den.root / "homes").rglob("session-*.jsonl")
    record.with_name(f"session-{OLD}-{str(first.backend_id)[:8]}.jsonl").mkdir()
    with pytest.raises(AgentFailed, match=r"cannot be prepared.*remove what is in the way"):
        await den.run("again", backend_id=first.backend_id)
    outcome, _ = await den.run("again")
    assert outcome.status == "completed"


async def test_a_session_gemini_has_no_record_of_is_replaced_by_a_fresh_one(den: Den) -> None:
    outcome, heard = await den.run("hello", backend_id=NOBODY)
    assert outcome.status == "completed"
    assert outcome.backend_id != NOBODY
    assert heard.warnings == ["fresh_thread"]
