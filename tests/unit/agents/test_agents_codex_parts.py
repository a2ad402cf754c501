"""Configuration, causes, counts and the last word on a turn."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codara.adapters.agents.codex.causes import cause_of
from codara.adapters.agents.codex.config import config_toml, exec_arguments, offered
from codara.adapters.agents.codex.outcome import outcome_of
from codara.adapters.agents.codex.parse import appserver_line, is_progress
from codara.adapters.agents.codex.quota import retry_at, windows_of
from codara.adapters.agents.codex.reading import (
    CodexEnded,
    CodexReading,
    count,
    settle,
    speak,
    window,
)
from codara.adapters.agents.codex.told import MOST, ToldInstructions
from codara.adapters.agents.session.counts import TokenCounts
from codara.adapters.agents.session.ending import Ending
from codara.application.ports.frames import TextDelta, WindowSeen

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DONE = CodexReading(thread_id="t", answered=True, ended=CodexEnded("completed"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_instructions_make_a_valid_configuration(instructions: str) -> None:
    read = tomllib.loads(config_toml("http://127.0.0.1:8377", instructions))
    assert read.get("developer_instructions", "") == instructions
    assert read["model_providers"]["codara"]["base_url"] == "http://127.0.0.1:8377"


def test_streams_are_never_begun_again() -> None:
    provider = tomllib.loads(config_toml("http://x"))["model_providers"]["codara"]
    assert provider["stream_max_retries"] == 0


def test_an_effort_is_a_setting_of_the_one_process() -> None:
    told = exec_arguments("m", "thread", effort="high")
    at = told.index("-c")
    assert told[at : at + 2] == ("-c", 'model_reasoning_effort="high"')
    assert "-c" not in exec_arguments("m", "thread")


def test_codex_says_what_it_calls_its_models_before_people() -> None:
    shown = {"slug": "b", "display_name": "B", "visibility": "list", "priority": 2}
    plain = {"slug": "a", "visibility": "list", "priority": 1}
    hidden = {"slug": "c", "visibility": "hide", "priority": 0}
    assert list(offered(json.dumps({"models": [shown, plain, hidden]})).items()) == [
        ("a", ""),
        ("b", "B"),
    ]


def test_a_resumed_thread_is_named_before_the_prompt() -> None:
    assert exec_arguments("m", "thread")[-2:] == ("thread", "-")
    assert "resume" not in exec_arguments("m", None)


def test_pictures_are_named_before_all_that_stands_alone() -> None:
    told = exec_arguments("m", "thread", [Path("/h/1.png"), Path("/h/2.png")])
    assert told[:6] == ("exec", "resume", "-i", "/h/1.png", "-i", "/h/2.png")
    assert told[-2:] == ("thread", "-")


class Notes(dict[str, str]):
    """What is kept beside a home."""

    async def recall(self) -> dict[str, str]:
        return dict(self)

    async def remember(self, notes: dict[str, str]) -> None:
        self.clear()
        self.update(notes)

    def told(self) -> ToldInstructions:
        return ToldInstructions(self.recall, self.remember)


async def test_what_a_thread_was_told_is_known_of_the_newest_threads() -> None:
    kept = Notes()
    for at in range(MOST + 2):
        await kept.told().note(f"thread-{at}", "be brief")
    await kept.told().note("thread-plain", "")
    assert list(kept)[:: MOST - 1] == ["thread-2", f"thread-{MOST + 1}"]
    assert await kept.told().change(f"thread-{MOST + 1}", "be brief") == ""


async def test_a_copy_has_heard_what_its_thread_began_with() -> None:
    told = Notes().told()
    await told.note("source", "be brief", begins=True)
    await told.inherit("copy", "source")
    assert await told.change("copy", "be brief") == ""
    assert "be long" in await told.change("copy", "be long")
    await told.inherit("silent copy", "silent source")
    assert await told.change("silent copy", "") == ""


@pytest.mark.parametrize("first", ["be brief", ""])
async def test_a_copy_of_a_thread_whose_instructions_changed_is_told_in_any_case(
    first: str,
) -> None:
    told = Notes().told()
    await told.note("source", first, begins=True)
    await told.note("source", "be long")
    await told.inherit("copy", "source")
    for instructions in ("be brief", "be long", ""):
        assert await told.change("copy", instructions)
    await told.note("copy", "be long")
    assert await told.change("copy", "be long") == ""
    await told.inherit("copy of the copy", "copy")
    assert await told.change("copy of the copy", "be long")


@pytest.mark.parametrize(
    ("message", "info", "cause"),
    [
        ("", "usageLimitExceeded", "quota_exhausted"),
        ("", "contextWindowExceeded", "context_full"),
        ("", {"httpConnectionFailed": {"httpStatusCode": 401}}, "auth_failed"),
        ("", {"responseTooManyFailedAttempts": {"httpStatusCode": 429}}, "rate_limited"),
        ("exceeded your current quota", {"x": {"httpStatusCode": 429}}, "quota_exhausted"),
        ("", {"responseStreamDisconnected": {"httpStatusCode": 502}}, "overloaded"),
        ("", {"responseStreamDisconnected": {"httpStatusCode": None}}, "cut_stream"),
        ("the model `x` does not exist", {"x": {"httpStatusCode": 404}}, "unknown_model"),
        ("stream disconnected before completion", "other", "cut_stream"),
        ("Incomplete response returned, reason: max_output_tokens", "other", "length"),
        (
            "stream disconnected before completion: "
            "Incomplete response returned, reason: content_filter",
            {"responseStreamDisconnected": {"httpStatusCode": None}},
            "content_filter",
        ),
        ("what is this", "badRequest", "protocol"),
    ],
)
def test_a_failure_has_one_cause(message: str, info: object, cause: str) -> None:
    assert cause_of(message, info) == cause


def test_usage_is_the_growth_of_the_threads_count() -> None:
    reading, frames = count(
        CodexReading(total=TokenCounts(input=100)), TokenCounts(input=130), None, {}
    )
    assert [frame.input for frame in frames] == [30]
    reading, _ = count(reading, TokenCounts(input=150), None, {})
    assert reading.used == TokenCounts(input=50)


def test_a_count_that_shrank_adds_nothing() -> None:
    reading, frames = count(CodexReading(total=TokenCounts(input=100)), TokenCounts(), None, {})
    assert frames == ()
    assert count(reading, TokenCounts(input=20), None, {})[0].used == TokenCounts(input=20)


def test_a_repeated_report_of_an_unknown_past_counts_nothing() -> None:
    reading, frames = count(CodexReading(), TokenCounts(input=100), TokenCounts(input=40), {})
    assert frames == ()
    reading, _ = speak(CodexReading(), "m", "hello")
    _, frames = count(reading, TokenCounts(input=100), TokenCounts(input=40), {})
    assert [frame.input for frame in frames] == [40]


def report(turn_id: str, total: int, last: int, *, thread: str = "t") -> dict[str, object]:
    usage = {"total": {"inputTokens": total}, "last": {"inputTokens": last}}
    params = {"threadId": thread, "turnId": turn_id, "tokenUsage": usage}
    return {"method": "thread/tokenUsage/updated", "params": params}


def test_a_report_on_an_earlier_turn_is_where_this_one_begins() -> None:
    reading = CodexReading(thread_id="t", turn_id="now", heard=True)
    reading, frames = appserver_line(reading, report("earlier", 100, 40))
    assert frames == ()
    reading, _ = appserver_line(reading, report("now", 130, 30))
    _, frames = appserver_line(reading, report("now", 150, 20))
    assert [(frame.input, len(frame.raw.newest)) for frame in frames] == [(50, 2)]


def begins(thread: str) -> dict[str, object]:
    return {"method": "turn/started", "params": {"threadId": thread, "turn": {"id": "its own"}}}


def test_what_sub_agents_took_is_the_turns() -> None:
    reading = CodexReading(thread_id="t", turn_id="now", total=TokenCounts())
    lines = (
        report("now", 100, 100),
        begins("helper"),
        report("its own", 530, 30, thread="helper"),
        report("its own", 550, 20, thread="helper"),
        begins("helper"),
        report("its own", 560, 10, thread="helper"),
        begins("second helper"),
        report("its own", 7, 7, thread="second helper"),
        report("now", 110, 10),
    )
    counts = []
    for line in lines:
        reading, frames = appserver_line(reading, line)
        counts += [frame.input for frame in frames]
    assert counts == [100, 130, 150, 160, 167, 177]
    assert (reading.turn_id, reading.used, reading.total) == ("now", *[TokenCounts(input=110)] * 2)


def test_what_is_told_late_of_another_conversation_is_not_this_turns() -> None:
    unbegun = CodexReading(thread_id="t")
    assert appserver_line(unbegun, begins("another"))[0] == unbegun
    reading = CodexReading(thread_id="t", turn_id="now", total=TokenCounts())
    late = report("earlier", 500, 40, thread="another")
    assert appserver_line(reading, late) == (reading, ())


def test_what_is_written_down_of_a_turn_has_no_sub_agents_in_it() -> None:
    reading = CodexReading(used=TokenCounts(input=100), helped=TokenCounts(input=70))
    _, frames = settle(reading, TokenCounts(input=120), {"input_tokens": 120})
    assert [frame.input for frame in frames] == [190]


def test_what_is_written_down_of_a_turn_counts_where_it_is_more_than_was_heard() -> None:
    reading = CodexReading(used=TokenCounts(input=100, output=5))
    assert settle(reading, TokenCounts(input=100, output=5), {})[1] == ()
    _, frames = settle(reading, TokenCounts(input=200, output=6), {"input_tokens": 200})
    assert [(frame.input, frame.output) for frame in frames] == [(200, 6)]


def test_two_messages_are_set_apart() -> None:
    reading, _ = speak(CodexReading(), "one", "first")
    reading, frames = speak(reading, "two", "second")
    assert frames == (TextDelta("\n\nsecond"),)
    assert speak(reading, "two", " half")[1] == (TextDelta(" half"),)


def test_words_of_another_thread_are_not_the_answer() -> None:
    params = {"threadId": "sub-agent", "itemId": "m", "delta": "psst"}
    message = {"method": "item/agentMessage/delta", "params": params}
    assert appserver_line(CodexReading(thread_id="t"), message)[1] == ()


def test_the_end_of_another_turn_ends_nothing() -> None:
    params = {"threadId": "t", "turn": {"id": "earlier", "status": "interrupted"}}
    message = {"method": "turn/completed", "params": params}
    reading = CodexReading(thread_id="t", turn_id="now")
    assert appserver_line(reading, message) == (reading, ())


def test_retries_and_changes_of_status_are_no_progress() -> None:
    assert not is_progress({"method": "error", "params": {"willRetry": True}})
    assert not is_progress({"method": "thread/status/changed"})
    assert not is_progress({"method": "account/rateLimits/updated"})
    assert is_progress({"method": "item/agentMessage/delta"})
    assert is_progress({"method": "item/commandExecution/outputDelta"})
    assert is_progress({"type": "item.completed"})


def test_a_turn_is_completed_only_if_nothing_speaks_against_it() -> None:
    assert outcome_of(DONE, Ending(expected="t", exit_code=0)).status == "completed"
    assert outcome_of(DONE, Ending()).status == "completed"


@pytest.mark.parametrize(
    ("reading", "ending", "cause"),
    [
        (DONE, Ending(expected="other"), "unknown_session"),
        (DONE, Ending(exit_code=1), "crashed"),
        (DONE, Ending(stopped="timeout"), "timeout"),
        (CodexReading(), Ending(exit_code=0), "crashed"),
        (CodexReading(), Ending(exit_code=1, stderr="no rollout found"), "unknown_session"),
        (attrs.evolve(DONE, ended=CodexEnded("odd")), Ending(), "protocol"),
    ],
)
def test_what_speaks_against_it_is_the_cause(
    reading: CodexReading, ending: Ending, cause: str
) -> None:
    outcome = outcome_of(reading, ending)
    assert (outcome.status, outcome.cause) == ("failed", cause)


def test_the_reset_is_that_of_the_window_that_is_full() -> None:
    windows = (WindowSeen("primary", 100.0, 300, NOW), WindowSeen("secondary", 40.0, 9, None))
    failed = CodexEnded("failed", "full", "quota_exhausted")
    outcome = outcome_of(CodexReading(windows=windows, ended=failed), Ending())
    assert outcome.resets_at == NOW


def test_headers_tell_the_quota() -> None:
    headers = {
        "x-codex-primary-used-percent": "12.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(int(NOW.timestamp())),
        "x-codex-secondary-used-percent": "nonsense",
    }
    assert windows_of(headers, NOW) == (WindowSeen("primary", 12.5, 300, NOW),)
    assert retry_at(200, {"retry-after": "5"}, NOW) is None
    assert retry_at(429, {"retry-after": "in a while"}, NOW) is None


def test_a_reset_in_the_far_future_is_no_reset() -> None:
    seen = window("primary", {"usedPercent": 5, "resetsAt": 1795174665000})
    assert seen is not None
    assert (seen.used_percent, seen.resets_at) == (5, None)
