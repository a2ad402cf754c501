"""Turns of the scripted agents, read again from the lines that were recorded of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.registry import transcripts
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.transcript import Circumstances, ReadBack, lines_of
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import (
    FileHint,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    ToolStarted,
    UsageSeen,
)
from tests.agent_pool import Den
from tests.fakes.sink import Listener
from tests.scripted_agents import NAMES, TRANSPORTS, a_scripted_den

WAYS = [(name, transport) for name in NAMES for transport in TRANSPORTS]
NOBODY = "00000000-0000-4000-8000-000000000000"
SAID = TextDelta | ReasoningDelta | ToolStarted | ToolFinished | FileHint

both = pytest.mark.parametrize("den", WAYS, indirect=True, ids="-".join)


def only(*ways: tuple[str, str]) -> Any:
    return pytest.mark.parametrize("den", ways, indirect=True, ids="-".join)


@attrs.frozen
class Scene:
    den: Den
    transport: Any

    async def run(self, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
        return await self.den.run(prompt, **changes)

    @property
    def name(self) -> tuple[str, str]:
        return self.den.provider, self.transport

    def read(self, heard: Listener, **known: Any) -> ReadBack:
        """What the stored lines mean, as they lie in a payload."""
        return self.read_lines(heard.lines, **known)

    def read_lines(self, lines: list[bytes], **known: Any) -> ReadBack:
        transport = known.pop("transport", self.transport)
        transcript, stored = transcripts()[self.den.provider], lines_of(b"\n".join(lines))
        return transcript.read(stored, transport=transport, known=Circumstances(**known))

    def ended(self, code: int = 0) -> Ending:
        """The end of a turn whose process lives, or ended with this code."""
        return Ending(exit_code=code if self.transport == "process" else None, jailed=False)


@pytest.fixture
async def den(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    name, transport = request.param
    async with a_scripted_den(tmp_path, name, transport=transport) as den:
        yield Scene(den, transport)


def said(frames: Any) -> list[Any]:
    return [frame for frame in frames if isinstance(frame, SAID)]


def counts(usage: UsageSeen | None) -> tuple[int, ...] | None:
    return usage and (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning)


@both
async def test_a_turn_is_read_again_as_it_was_heard(den: Scene) -> None:
    outcome, heard = await den.run("[[write:it.txt]] [[garbage]] [[text:one two]]")
    assert outcome.status == "completed"
    found = den.read(heard, first=True, ending=den.ended())
    assert said(found.frames) == said(heard.frames)
    assert (found.text, found.outcome) == (heard.text, outcome)
    assert found.backend_id == outcome.backend_id
    if den.den.provider != "gemini":
        assert found.usage == heard.usage
    assert "provider" in found.missing
    assert not found.missing & {"process", "count", "home"}


@only(("gemini", "persistent"), ("gemini", "process"))
async def test_of_geminis_tokens_its_own_sum_is_known(den: Scene) -> None:
    _, heard = await den.run("hello")
    found = den.read(heard)
    assert counts(found.usage) == (10, 0, 0, 5, 0)
    assert counts(heard.usage) != counts(found.usage)


@both
async def test_a_turn_of_which_nothing_else_is_known_is_read_by_its_own_words(den: Scene) -> None:
    outcome, heard = await den.run("hello")
    found = den.read(heard, transport=None)
    assert (found.outcome.status, found.text) == ("completed", heard.text)
    assert found.backend_id == outcome.backend_id
    assert "process" in found.missing


@both
async def test_a_failure_that_the_agent_tells_is_read_again(den: Scene) -> None:
    outcome, heard = await den.run("[[refused:503]] [[blame:503]]")
    assert outcome.status == "failed"
    found = den.read(heard, first=True, ending=den.ended(1))
    assert (found.outcome.status, found.outcome.cause) == ("failed", outcome.cause)
    assert found.outcome.message == outcome.message


@both
async def test_a_process_that_died_is_read_as_one_whatever_is_known(den: Scene) -> None:
    outcome, heard = await den.run("[[text:half]] [[exit:3]]")
    assert (outcome.status, outcome.cause) == ("failed", "crashed")
    for known in ({}, {"ending": Ending(exit_code=3, stderr="gone")}):
        found = den.read(heard, **known)
        assert (found.outcome.status, found.outcome.cause) == ("failed", "crashed")
        assert found.text == heard.text


@both
async def test_what_we_ended_is_not_read_as_what_the_agent_did(den: Scene) -> None:
    _, heard = await den.run("[[text:on and]] [[silence]]", stall_timeout=0.3)
    found = den.read(heard, ending=Ending().impatient("stalled"))
    assert (found.outcome.cause, found.text) == ("stalled", heard.text)


@both
async def test_of_several_attempts_the_last_one_tells_the_outcome(den: Scene) -> None:
    _, vain = await den.run("[[refused:503]] [[blame:503]]")
    await den.den.close_home("wsp_1")
    outcome, heard = await den.run("[[text:at last]]")
    found = den.read_lines([*vain.lines, *heard.lines], first=True, ending=den.ended())
    assert (found.outcome, found.text) == (outcome, heard.text)


@only(("claude", "persistent"), ("codex", "persistent"), ("codex", "process"))
async def test_a_running_count_is_carried_from_turn_to_turn(den: Scene) -> None:
    outcome, heard = await den.run("hello")
    before = den.read(heard, first=True, ending=den.ended())
    _, heard = await den.run("again", backend_id=outcome.backend_id)
    found = den.read(heard, ending=den.ended(), counted=before.counted)
    assert "count" not in found.missing
    if den.name != ("codex", "process"):
        assert found.usage == heard.usage


@only(("claude", "persistent"), ("codex", "persistent"), ("codex", "process"))
async def test_a_running_count_that_is_not_known_is_named(den: Scene) -> None:
    outcome, _ = await den.run("hello")
    _, heard = await den.run("again", backend_id=outcome.backend_id)
    found = den.read(heard)
    assert "count" in found.missing
    assert found.counted is None or den.name[0] == "codex"
    told = {"claude": (10, 0, 0, 5, 0), "codex": (10, 0, 0, 1, 0)}
    assert counts(found.usage) == (None if den.transport == "process" else told[den.name[0]])


@both
async def test_nothing_is_read_as_a_turn_that_died(den: Scene) -> None:
    found = den.read_lines([])
    assert (found.outcome.status, found.outcome.cause) == ("failed", "crashed")
    assert (found.frames, found.usage, found.backend_id) == ((), None, None)


@both
async def test_a_turn_in_which_the_thread_was_lost_is_read_in_the_fresh_one(den: Scene) -> None:
    lost = NOBODY if den.den.provider != "opencode" else "ses_nobody"
    outcome, heard = await den.run("hello", backend_id=lost)
    assert outcome.status == "completed"
    found = den.read(heard, ending=den.ended())
    assert (found.outcome, found.text) == (outcome, heard.text)
