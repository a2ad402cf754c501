"""One table of misdeeds, done by a scripted agent of each runtime, by both transports."""

import asyncio
import logging
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.application.ports.frames import BackendSeen, TextDelta
from codara.clock import utc_now
from codara.errors import AgentFailed, CodaraError
from tests.agent_pool import Den
from tests.fakes.sink import Listener
from tests.jail_setup import need_bubblewrap
from tests.scripted_agents import CAT, DOG, NAMES, TRANSPORTS, a_scripted_den, digest, stubborn

NOBODY = "00000000-0000-4000-8000-000000000000"
"""A thread that no scripted agent knows."""
BOTH = [(name, transport) for name in NAMES for transport in TRANSPORTS]
LONG = 12 * 1024 * 1024
"""Longer than what common line readers take."""
LONG_PATIENCE = 30.0


@attrs.frozen
class Case:
    """What an agent does, the cause it is given, and what the message has to say (a pattern).

    Where causes differ they stand by runtime, or by runtime and transport. `patience` is how long
    (s) an agent that stalls may do so.
    """

    prompt: str
    cause: str | Mapping[str, str]
    says: str
    patience: float = 0.3

    def cause_in(self, name: str, transport: str) -> str:
        if isinstance(self.cause, str):
            return self.cause
        return self.cause.get(f"{name} {transport}") or self.cause.get(name) or self.cause["*"]


UNSAID = {
    "codex process": "crashed",
    "gemini process": "crashed",
    "opencode process": "crashed",
    "*": "protocol",
}
FAILURES = {
    "dies": Case(
        "[[text:so far]] [[exit:3]]", "crashed", r"exit code 3\): the fake agent gives up"
    ),
    "dies politely": Case("[[text:so far]] [[exit:0]]", "crashed", "in the middle of the turn"),
    "dies in the middle of a line": Case("[[half]]", "crashed", "in the middle of the turn"),
    "dies and leaves a child": Case("[[child]] [[exit:3]]", "crashed", "exit code 3"),
    "writes a line without end": Case("[[endless]]", "protocol", "a line without end"),
    "writes too many values in a line": Case(
        "[[values:3000000]]", "protocol", "a message of more than 200,000 values"
    ),
    "writes too deep a line": Case("[[deep:500]]", "protocol", "nested deeper than 200 levels"),
    "falls silent": Case("[[child]] [[text:on]] [[silence]]", "stalled", "no progress"),
    "makes excuses for ever": Case(
        "[[retries]]", {"opencode": "protocol", "*": "stalled"}, "no progress|nothing of the kind"
    ),
    "does not say how it ended": Case(
        "[[unsaid]]", UNSAID, "in the middle|saying how|say how|None"
    ),
}


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Den]:
    name, transport, *options = request.param
    async with a_scripted_den(tmp_path, name, *options, transport=transport) as den:
        yield den


each_way = pytest.mark.parametrize("den", BOTH, indirect=True, ids=map(" ".join, BOTH))
each_stays = pytest.mark.parametrize(
    "den", [(name, "persistent") for name in NAMES], indirect=True, ids=NAMES
)


def each_with(option: str, *transports: str) -> pytest.MarkDecorator:
    """These transports of all, started with an option."""
    ways = [(name, transport, option) for name in NAMES for transport in transports]
    return pytest.mark.parametrize("den", ways, indirect=True, ids=map(" ".join, ways))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("misdeed", FAILURES)
async def test_an_agent_that(tmp_path: Path, misdeed: str, name: str, transport: str) -> None:
    """... fails its turn with a cause and a reason, leaves nothing, and gets the next turn done."""
    case = FAILURES[misdeed]
    async with a_scripted_den(tmp_path, name, transport=transport) as den:
        cause = case.cause_in(name, transport)
        patience = case.patience if cause == "stalled" else LONG_PATIENCE
        outcome, _ = await den.run(case.prompt, stall_timeout=patience)
        assert (outcome.status, outcome.cause) == ("failed", cause)
        assert re.search(case.says, outcome.message)
        assert stubborn(den.root) == []
        outcome, heard = await den.run("hello", backend_id=outcome.backend_id)
        assert (outcome.status, heard.text) == ("completed", "You said: hello")


@each_way
async def test_an_answer_in_another_session_is_no_success(den: Den) -> None:
    first, _ = await den.run("hello")
    outcome, _ = await den.run("[[moved]]", backend_id=first.backend_id, stall_timeout=0.5)
    assert outcome.status == "failed"
    assert outcome.cause in ("unknown_session", "protocol", "stalled")
    assert outcome.message


BLAMES = {
    401: ("auth_failed",),
    429: ("rate_limited", "quota_exhausted"),
    503: ("overloaded",),
}


@each_way
@pytest.mark.parametrize("status", BLAMES)
async def test_an_account_is_blamed_only_for_what_its_provider_said(den: Den, status: int) -> None:
    outcome, _ = await den.run(f"[[blame:{status}]]")
    assert (outcome.status, outcome.cause, outcome.resets_at) == ("failed", "protocol", None)
    assert "its provider said nothing of the kind" in outcome.message
    assert "as told" in outcome.message
    outcome, _ = await den.run(f"[[refused:{status}]] [[blame:{status}]]")
    assert outcome.status == "failed"
    assert outcome.cause in BLAMES[status]


async def there_is_another() -> bool:
    return True


@each_way
async def test_an_agent_that_sleeps_out_a_refusal_is_stopped_when_another_account_is_free(
    den: Den,
) -> None:
    outcome, _ = await den.run("[[refused:429]] [[silence]]", elsewhere=there_is_another)
    assert outcome.status == "failed"
    assert outcome.cause in BLAMES[429]
    assert "the agent waited for its account while another one was free" in outcome.message
    outcome, heard = await den.run("[[text:fine]]", elsewhere=there_is_another)
    assert (outcome.status, heard.text) == ("completed", "fine")


@each_way
async def test_a_wrong_key_is_no_fault_of_the_account(den: Den) -> None:
    outcome, _ = await den.run("[[stranger]] [[blame:401]]")
    assert (outcome.status, outcome.cause) == ("failed", "jail")
    assert "another key than its jail's" in outcome.message
    outcome, _ = await den.run("[[stranger]] [[refused:401]] [[blame:401]]")
    assert outcome.cause == "auth_failed"


@each_way
async def test_lines_that_are_no_protocol_are_counted_and_ignored(den: Den) -> None:
    outcome, heard = await den.run("[[garbage]] [[text:fine]]")
    assert (outcome.status, heard.text) == ("completed", "fine")
    assert heard.warnings == ["ignored 3 lines that are no JSON objects"]
    assert b"warning: this is no JSON" in heard.lines


@each_way
async def test_bytes_that_are_no_text_become_replacement_characters_which_is_said(den: Den) -> None:
    outcome, heard = await den.run("[[badutf8]] [[surrogate]]")
    assert outcome.status == "completed"
    assert "bad \ufffd byte" in heard.text
    assert "half \ufffd pair" in heard.text
    assert heard.warnings == ["text_replaced"]


@each_stays
async def test_a_line_of_12_mib_is_heard_whole(den: Den) -> None:
    outcome, heard = await den.run(f"[[huge:{LONG}]]")
    assert (outcome.status, len(heard.text)) == ("completed", LONG)


@each_with("--banner", "persistent")
async def test_a_banner_before_the_protocol_is_only_complained_about(den: Den) -> None:
    outcome, heard = await den.run("hello")
    assert (outcome.status, heard.text) == ("completed", "You said: hello")
    assert heard.warnings in ([], ["ignored 1 lines that are no JSON objects"])


@each_way
async def test_a_child_that_ignores_signals_ends_with_its_turn(den: Den) -> None:
    outcome, heard = await den.run("[[child]] [[text:done]]")
    assert (outcome.status, heard.text) == ("completed", "done")
    assert stubborn(den.root) == []


@each_way
async def test_an_agent_deaf_to_the_interrupt_is_killed(den: Den) -> None:
    await _cancel(den, "[[child]] [[text:on]] [[deaf]]")
    assert den.journal.killings == ["cancelled"]
    assert stubborn(den.root) == []


@each_stays
async def test_an_interrupted_agent_keeps_its_process(den: Den) -> None:
    thread = await _cancel(den, "[[text:on]] [[silence]]")
    outcome, heard = await den.run("hello", backend_id=thread)
    assert (outcome.status, heard.text) == ("completed", "You said: hello")
    assert (den.journal.killings, den.journal.started_jails) == ([], 1)


@each_stays
async def test_the_whole_turn_has_a_limit(den: Den) -> None:
    first, _ = await den.run("hello")
    until = utc_now() + timedelta(seconds=0.5)
    told = {"backend_id": first.backend_id, "stall_timeout": 0}
    outcome, _ = await den.run("[[silence]]", until=until, **told)
    assert (outcome.status, outcome.cause) == ("failed", "timeout")
    assert "longer than it may" in outcome.message


@each_with("--dead", *TRANSPORTS)
async def test_a_program_that_does_not_start_says_why(den: Den) -> None:
    try:
        outcome, _ = await den.run("hello")
        told, cause = outcome.message, outcome.cause
    except AgentFailed as failure:
        told, cause = failure.message, failure.cause
    assert cause == "crashed"
    assert "the fake agent does not start" in told
    assert sum(den.pool.processes().values()) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_after_three_starts_in_vain_a_turn_gets_its_own_process_at_once(
    tmp_path: Path, name: str
) -> None:
    async with a_scripted_den(tmp_path, name, "--old") as den:
        for _ in range(4):
            outcome, heard = await den.run("hello")
            assert (outcome.status, heard.text) == ("completed", "You said: hello")
        assert den.journal.started_jails == 3 + 4


@pytest.mark.parametrize("name", NAMES)
async def test_pictures_are_shown_as_well_where_the_process_that_stays_does_not_start(
    tmp_path: Path, name: str
) -> None:
    async with a_scripted_den(tmp_path, name, "--old") as den:
        outcome, heard = await den.run("[[pictures]]", images=(CAT, DOG))
        assert (outcome.status, heard.text) == ("completed", f"{digest(CAT)} {digest(DOG)}")


@each_way
async def test_a_fresh_thread_is_shown_the_pictures_of_the_whole_conversation(den: Den) -> None:
    told = {"fresh_prompt": "all of it: [[pictures]]", "fresh_images": (CAT, DOG)}
    outcome, heard = await den.run("[[pictures]]", images=(DOG,), backend_id=NOBODY, **told)
    assert (outcome.status, heard.warnings) == ("completed", ["fresh_thread"])
    assert heard.text == f"{digest(CAT)} {digest(DOG)}"


@each_way
async def test_a_turns_pictures_are_gone_with_it_however_it_ends(den: Den) -> None:
    for prompt in ("[[pictures]]", "[[exit:3]]", "[[text:on]] [[silence]]"):
        await den.run(prompt, images=(CAT,), stall_timeout=0.3)
        assert pictures_in_homes(den) == []
    await _cancel(den, "[[text:on]] [[silence]]", images=(CAT,))
    assert pictures_in_homes(den) == []


@each_way
async def test_pictures_that_a_killed_gateway_left_are_gone_at_the_next_start(den: Den) -> None:
    left = den.root / "homes" / "wsp_1" / den.provider / ".codara" / "pictures"
    left.mkdir(parents=True)
    (left / "image-7.png").write_bytes(CAT.data)
    outcome, _ = await den.run("hello")
    assert (outcome.status, pictures_in_homes(den)) == ("completed", [])


@pytest.mark.parametrize("name", NAMES)
async def test_a_missing_program_is_named_with_its_remedy(tmp_path: Path, name: str) -> None:
    async with a_scripted_den(tmp_path, name, binary="/nowhere/agent") as den:
        remedy = rf"/nowhere/agent.*npm install .* providers\.{name}\.binary"
        with pytest.raises(AgentFailed, match=remedy):
            await den.run("hello")


@pytest.mark.parametrize("name", NAMES)
async def test_a_version_nobody_has_tried_runs_and_is_warned_of_once(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "codara.adapters.agents.pool.versions")
    async with a_scripted_den(tmp_path, name) as den:
        for workspace in ("wsp_1", "wsp_2"):
            outcome, _ = await den.run("hello", workspace_id=workspace)
            assert outcome.status == "completed"
        async with asyncio.timeout(10):
            while not caplog.messages:
                await asyncio.sleep(0)
    assert len(caplog.messages) == 1
    assert f"{name}: version fake-{name} 0.0.0 was never tried" in caplog.messages[0]


@pytest.mark.parametrize("name", NAMES)
async def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "homes").mkdir()
    (tmp_path / "homes" / "wsp_1").write_text("in the way")
    async with a_scripted_den(tmp_path, name) as den:
        with pytest.raises(AgentFailed, match=r"homes/wsp_1.* cannot be prepared"):
            await den.run("hello")


@pytest.mark.parametrize("name", NAMES)
async def test_a_workspace_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    async with a_scripted_den(tmp_path, name) as den:
        with pytest.raises(CodaraError, match=r"folders: .*workspaces/nowhere"):
            await den.run("hello", folder=tmp_path / "workspaces" / "nowhere")


@each_stays
async def test_a_workspace_deleted_under_an_agent_is_not_worked_in_any_longer(den: Den) -> None:
    on = asyncio.Event()
    running = den.pool.run(den.turn("[[text:on]] [[gone]]"), Listener().hope(TextDelta, on))
    task = asyncio.create_task(running)
    await on.wait()
    shutil.rmtree(den.workspace())
    first = await task
    assert (first.status, first.jailed) == ("completed", False)
    outcome, _ = await den.run("[[write:a.txt]]", backend_id=first.backend_id)
    assert outcome.status == "completed"
    assert (den.workspace() / "a.txt").exists()


@pytest.mark.cli
@pytest.mark.parametrize(
    "transport", ["persistent", pytest.param("process", marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("name", NAMES)
async def test_behind_walls_it_works_and_ends_the_same(
    tmp_path: Path, name: str, transport: str
) -> None:
    need_bubblewrap()
    async with a_scripted_den(tmp_path, name, walls=True, transport=transport) as den:
        outcome, heard = await den.run("[[write:a.txt]] [[text:done]]")
        assert (outcome.status, outcome.jailed, heard.text) == ("completed", True, "done")
        assert (den.workspace() / "a.txt").exists()
        outcome, _ = await den.run("[[child]] [[exit:3]]", backend_id=outcome.backend_id)
        assert (outcome.status, outcome.cause) == ("failed", "crashed")
        assert stubborn(den.root) == []


def pictures_in_homes(den: Den) -> list[Path]:
    """The files in homes that hold a picture."""
    files = [path for path in (den.root / "homes").rglob("*") if path.is_file()]
    return [path for path in files if CAT.data in path.read_bytes()]


async def _cancel(den: Den, prompt: str, **changes: Any) -> str:
    """Cancels a turn that has said something; the thread it was in."""
    on = asyncio.Event()
    listener = Listener().hope(TextDelta, on)
    task = asyncio.create_task(den.pool.run(den.turn(prompt, **changes), listener))
    await on.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return str(listener.of(BackendSeen)[-1].backend_id)
