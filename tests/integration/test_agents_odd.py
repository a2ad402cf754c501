"""What is valid and makes no sense, from a scripted agent of each runtime, harms its turn alone."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codara.adapters.agents.pool import pool as pooling
from codara.adapters.agents.session import listening, output
from codara.adapters.jail import processes
from codara.errors import AgentFailed
from tests.agent_pool import Den
from tests.scripted_agents import CAT, DOG, NAMES, TRANSPORTS, a_scripted_den, at_work, digest

LINES = {
    "codex persistent": (
        '{"method": "item/started", "params": "text"}',
        '{"method": "item/started", "params": {"item": 7}}',
        '{"method": "thread/tokenUsage/updated",'
        ' "params": {"tokenUsage": {"total": {"inputTokens": "many"}}}}',
        '{"id": [1], "result": {}}',
        '{"id": {}, "error": "text"}',
    ),
    "codex process": (
        '{"type": "item.started", "item": "text"}',
        '{"type": "turn.completed", "usage": {"input_tokens": "many"}}',
    ),
    "gemini persistent": (
        '{"method": "session/update", "params": 7}',
        '{"id": [1], "result": {"stopReason": "end_turn"}}',
        '{"id": 99, "error": "text"}',
    ),
    "gemini process": (
        '{"type": "tool_use", "parameters": 7}',
        '{"type": "result", "status": "success", "stats": {"input_tokens": "many"}}',
    ),
    "claude persistent": (
        '{"type": "stream_event", "event": "text"}',
        '{"type": "control_response", "response": "text"}',
        '{"type": "result", "usage": {"input_tokens": "many"}}',
    ),
    "claude process": (
        '{"type": "assistant", "message": 7}',
        '{"type": "result", "usage": {"input_tokens": "many"}}',
    ),
    "opencode persistent": (
        '{"type": "message.updated", "properties": 7}',
        '{"type": "message.part.updated", "properties": {"part": "text"}}',
        '{"info": 7}',
    ),
    "opencode process": (
        '{"type": "text", "part": "text"}',
        '{"type": "error", "error": "text"}',
    ),
}
"""By runtime and transport; the first of each cannot be read at all."""
THREADED = ("codex", "gemini", "opencode")
"""One process of these has many threads."""

ASKS = {
    "claude": '{"type": "control_request", "request_id": "1"}',
    "codex": '{"id": 1, "method": "a"}',
    "gemini": '{"id": 1, "method": "a"}',
}
"""How an agent asks us."""

each_stays = pytest.mark.parametrize("den", NAMES, indirect=True)
each_threaded = pytest.mark.parametrize("den", THREADED, indirect=True)


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    told = {"transport": "persistent", "max_processes": 1}
    async with a_scripted_den(tmp_path, request.param, **told) as den:
        yield den


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", NAMES)
async def test_a_line_that_makes_no_sense_costs_no_other_turn(
    tmp_path: Path, name: str, transport: str
) -> None:
    told = {"transport": transport, "max_processes": 1}
    async with a_scripted_den(tmp_path, name, **told) as den:
        for line in LINES[f"{name} {transport}"]:
            outcome, _ = await den.run(f"[[text:so far]] [[line:{line}]] [[text:fine]]")
            assert outcome.status in ("completed", "failed")
            for workspace in ("wsp_2", "wsp_1"):
                again, heard = await den.run("hello", workspace_id=workspace)
                assert (again.status, heard.text) == ("completed", "You said: hello")
            assert den.pool.processes()[name] <= 1


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", NAMES)
async def test_a_line_that_cannot_be_read_fails_its_turn_and_says_so(
    tmp_path: Path, name: str, transport: str
) -> None:
    async with a_scripted_den(tmp_path, name, transport=transport) as den:
        line = LINES[f"{name} {transport}"][0]
        outcome, heard = await den.run(f"[[text:so far]] [[line:{line}]] [[silence]]")
        assert (outcome.status, outcome.cause) == ("failed", "protocol")
        assert "wrote what cannot be read" in outcome.message
        assert "codara doctor" in outcome.message
        assert heard.lines[-1] == line.encode()


async def test_a_reset_in_the_far_future_ends_no_turn(tmp_path: Path) -> None:
    window = '{"usedPercent": 5, "resetsAt": 1795174665000}'
    told = '{"method": "account/rateLimits/updated", "params": {"rateLimits": {"primary": %s} }}'
    async with a_scripted_den(tmp_path, "codex") as den:
        outcome, heard = await den.run(f"[[line:{told % window}]] [[text:fine]]")
        assert (outcome.status, heard.text) == ("completed", "fine")


@each_threaded
async def test_an_answer_of_an_unknown_shape_is_a_named_failure(den: Den) -> None:
    await den.run("[[odd]] [[text:fine]]")
    outcome, _ = await den.run("hello")
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "wrote what cannot be read" in outcome.message
    outcome, _ = await den.run("hello")
    assert (outcome.status, den.journal.started_jails) == ("completed", 2)


@pytest.mark.parametrize("name", NAMES)
async def test_a_first_answer_of_an_unknown_shape_is_no_start(tmp_path: Path, name: str) -> None:
    async with a_scripted_den(tmp_path, name, "--odd", transport="persistent") as den:
        with pytest.raises(AgentFailed, match="did not start") as failure:
            await den.run("hello")
        assert failure.value.cause == "crashed"
        assert sum(den.pool.processes().values()) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_turn_whose_agent_starts_oddly_gets_a_process_of_its_own(
    tmp_path: Path, name: str
) -> None:
    async with a_scripted_den(tmp_path, name, "--odd") as den:
        outcome, heard = await den.run("hello")
        assert (outcome.status, heard.text) == ("completed", "You said: hello")


@each_threaded
async def test_a_thread_that_its_process_has_lost_is_replaced_by_a_fresh_one(den: Den) -> None:
    first, _ = await den.run("[[text:fine]] [[forget]]")
    told = {"backend_id": first.backend_id, "fresh_prompt": "all of it"}
    second, heard = await den.run("the rest", **told)
    assert (second.status, heard.text) == ("completed", "You said: all of it")
    assert heard.warnings == ["fresh_thread"]
    assert second.backend_id not in (None, first.backend_id)
    assert den.journal.started_jails == 1


@each_threaded
async def test_a_thread_that_its_process_has_lost_takes_all_pictures_along(den: Den) -> None:
    first, _ = await den.run("[[text:fine]] [[forget]]")
    told = {"fresh_prompt": "all of it: [[pictures]]", "fresh_images": (CAT, DOG)}
    outcome, heard = await den.run("no", images=(DOG,), backend_id=first.backend_id, **told)
    assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])
    assert heard.text == f"{digest(CAT)} {digest(DOG)}"


@pytest.mark.parametrize("mebibytes", [1, 2])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_that_never_stops_talking_is_ended(
    tmp_path: Path, name: str, transport: str, mebibytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "SAID_BYTES", mebibytes << 20)
    async with a_scripted_den(tmp_path, name, transport=transport) as den:
        outcome, heard = await den.run(f"[[huge:{mebibytes * 300_000}]]" * 6)
        assert (outcome.status, outcome.cause) == ("failed", "protocol")
        assert f"more than {mebibytes} MiB" in outcome.message
        assert 0 < len(heard.text) < mebibytes * 1_800_000
        assert at_work(den.root) == []
        assert (await den.run("hello"))[0].status == "completed"


@pytest.mark.parametrize("den", ASKS, indirect=True)
async def test_an_agent_that_asks_without_end_and_never_listens_is_ended(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "UNHEARD_BYTES", 1000)
    outcome, _ = await den.run(f"[[line:{ASKS[den.provider]}]]" * 12_000)
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert "listens to no answer" in outcome.message
    assert (await den.run("hello"))[0].status == "completed"


@each_stays
async def test_a_child_that_has_the_agents_name_ends_with_its_turn_too(den: Den) -> None:
    name = f"{den.provider}-too"
    outcome, heard = await den.run(f"[[sleeper:{name}]] [[text:done]]")
    assert (outcome.status, heard.text) == ("completed", "done")
    assert [line for line in at_work(den.root) if name in line] == []


@each_stays
async def test_a_rested_agent_that_hangs_is_replaced_before_its_turn(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    await den.run("hello")
    for pid in processes.descendants(den.journal.pids[-1]):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(pooling, "REST_SECONDS", 0)
    monkeypatch.setattr(pooling, "ANSWER_SECONDS", 0.1)
    outcome, _ = await den.run("hello")
    assert (outcome.status, den.journal.started_jails) == ("completed", 2)


@each_stays
async def test_a_rested_agent_that_answers_is_kept(
    den: Den, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "REST_SECONDS", 0)
    monkeypatch.setattr(pooling, "ANSWER_SECONDS", 30)
    first, _ = await den.run("hello")
    outcome, _ = await den.run("hello", backend_id=first.backend_id)
    assert (outcome.status, den.journal.started_jails) == ("completed", 1)
