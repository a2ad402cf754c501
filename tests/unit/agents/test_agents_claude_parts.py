"""What claude's parts do with lines the real program writes too rarely to be recorded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from codara.adapters.agents.claude import quota, recorded
from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.config import (
    arguments,
    closed_arguments,
    environment,
    native_program,
)
from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import is_progress, line
from codara.adapters.agents.claude.prompt import spoken
from codara.adapters.agents.claude.reading import NOTHING, ClaudeReading, Spent
from codara.adapters.agents.session.ending import FILTER, Ending
from codara.adapters.agents.transcript import Circumstances, ReadBack
from codara.application.ports.agents import Fork, Outcome
from codara.application.ports.frames import Frame, ReasoningDelta, TextDelta, ToolStarted, UsageSeen

THREAD = "11111111-2222-4333-8444-555555555555"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "stream_event", "event": {"type": kind, **fields}, "session_id": THREAD}


def starts(message_id: str = "msg_1") -> dict[str, Any]:
    return event("message_start", message={"id": message_id})


def says(text: str) -> dict[str, Any]:
    return event("content_block_delta", delta={"type": "text_delta", "text": text})


def thinks(text: str) -> dict[str, Any]:
    return event("content_block_delta", delta={"type": "thinking_delta", "thinking": text})


def whole(message_id: str, *blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    message = {"id": message_id, "model": "claude-sonnet-5", "content": list(blocks)}
    return {"type": "assistant", "message": message, "session_id": THREAD, **fields}


def result(**fields: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 80,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 7,
        "output_tokens": 12,
    }
    given = {"type": "result", "subtype": "success", "is_error": False, "session_id": THREAD}
    return {**given, "stop_reason": "end_turn", "usage": usage, "total_cost_usd": 0.5, **fields}


ENDS = event("message_delta", delta={"stop_reason": "end_turn"})
STOPS = event("message_stop")
TEXT = {"type": "text", "text": "Hello"}


def read(*lines: dict[str, Any], spent: Spent = NOTHING) -> tuple[list[Frame], Outcome]:
    reading, frames = ClaudeReading(spent=spent), []
    for each in lines:
        reading, found = line(reading, each)
        frames.extend(found)
    return frames, outcome_of(reading, Ending(expected=THREAD))


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.text for frame in frames if isinstance(frame, TextDelta))


def test_a_message_that_was_streamed_is_not_said_again() -> None:
    frames, outcome = read(starts(), says("Hel"), says("lo"), whole("msg_1", TEXT), STOPS, result())
    assert (text_of(frames), outcome.status) == ("Hello", "completed")


def test_a_message_that_was_not_streamed_is_said_whole() -> None:
    frames, outcome = read(whole("msg_1", TEXT), result())
    assert (text_of(frames), outcome.status) == ("Hello", "completed")


def test_an_empty_line_sets_one_message_off_from_the_next() -> None:
    frames, _ = read(starts(), says("One"), STOPS, starts("msg_2"), says("Two"), STOPS, result())
    assert text_of(frames) == "One\n\nTwo"


def test_a_success_without_the_end_of_its_message_is_a_cut_stream() -> None:
    _, outcome = read(starts(), says("Hel"), whole("msg_1", TEXT), result())
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


def test_a_text_that_began_anew_is_a_cut_stream() -> None:
    _, outcome = read(starts(), says("Hel"), starts("msg_2"), says("Hello"), STOPS, result())
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


def test_a_text_that_began_anew_is_one_also_where_claude_closed_the_first() -> None:
    again = (starts("msg_2"), says("Hello"), ENDS, STOPS)
    _, outcome = read(starts(), says("Hel"), STOPS, *again, result())
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


def test_a_message_that_began_anew_before_its_first_word_is_none() -> None:
    _, outcome = read(starts(), starts("msg_2"), says("Hello"), STOPS, result())
    assert outcome.status == "completed"


def test_a_success_without_tokens_is_a_cut_stream() -> None:
    _, outcome = read(whole("msg_1", TEXT), result(usage={"input_tokens": 0}))
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


@pytest.mark.parametrize(
    ("stop", "status", "cause", "finish_reason"),
    [
        ("end_turn", "completed", None, "stop"),
        ("stop_sequence", "completed", None, "stop"),
        ("max_tokens", "completed", None, "length"),
        ("refusal", "completed", None, "content_filter"),
        ("pause_turn", "failed", "protocol", "stop"),
        ("tool_use", "failed", "protocol", "stop"),
    ],
)
def test_a_success_is_what_the_model_says_of_it(
    stop: str, status: str, cause: str | None, finish_reason: str
) -> None:
    ends = event("message_delta", delta={"stop_reason": stop})
    for said in ((ends, STOPS, result()), (STOPS, result(stop_reason=stop))):
        _, outcome = read(starts(), says("Hello"), *said)
        assert (outcome.status, outcome.cause) == (status, cause)
        assert outcome.finish_reason == finish_reason


def test_a_success_without_the_models_own_word_is_a_cut_stream() -> None:
    _, outcome = read(starts(), says("Hello"), STOPS, result(stop_reason=None))
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


@pytest.mark.parametrize("stop", ["end_turn", "max_tokens", "tool_use"])
@pytest.mark.parametrize("repeated", [False, True])
def test_the_word_on_an_earlier_message_is_none_on_the_last(stop: str, *, repeated: bool) -> None:
    ends = event("message_delta", delta={"stop_reason": stop})
    half = (starts("msg_2"), says("half"), STOPS)
    last = result(stop_reason=stop if repeated else None)
    _, outcome = read(starts(), says("One"), ends, STOPS, *half, last)
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


def test_claudes_last_word_is_one_on_a_message_that_came_whole() -> None:
    tool = event("message_delta", delta={"stop_reason": "tool_use"})
    _, outcome = read(starts(), tool, STOPS, whole("msg_2", TEXT), result())
    assert (outcome.status, outcome.finish_reason) == ("completed", "stop")


@pytest.mark.parametrize(("stop", "cause"), [("max_tokens", "length"), ("refusal", FILTER)])
def test_an_answer_of_no_words_that_was_cut_is_a_failure(stop: str, cause: str) -> None:
    _, outcome = read(starts(), STOPS, result(stop_reason=stop))
    assert (outcome.status, outcome.cause) == ("failed", cause)


def test_what_claude_has_continued_is_one_text() -> None:
    cut = event("message_delta", delta={"stop_reason": "max_tokens"})
    more = (starts("msg_2"), says(" and "), says("half"), ENDS, STOPS)
    frames, outcome = read(starts(), says("Half"), cut, STOPS, *more, result())
    assert (text_of(frames), outcome.finish_reason) == ("Half and half", "stop")
    frames, _ = read(starts(), says("Half"), cut, STOPS, starts("msg_1a"), *more, result())
    assert text_of(frames) == "Half and half"


def test_words_of_claudes_own_are_never_an_answer() -> None:
    synthetic = whole("msg_1", {"type": "text", "text": "Unknown command: /x"})
    synthetic["message"]["model"] = "<synthetic>"
    frames, outcome = read(synthetic, result(result="Unknown command: /x"))
    assert text_of(frames) == ""
    assert (outcome.status, outcome.cause) == ("failed", "protocol")
    assert outcome.message == "Unknown command: /x"


def test_a_sub_agents_words_are_not_the_answer_but_its_tools_are_seen() -> None:
    tool = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    inner = {"parent_tool_use_id": "toolu_1"}
    lines = (says("inner") | inner, whole("msg_9", TEXT, tool, **inner))
    frames, outcome = read(starts(), *lines, says("Outer"), STOPS, result())
    assert [frame for frame in frames if not isinstance(frame, UsageSeen)] == [
        ToolStarted("t1", "command", "ls"),
        TextDelta("Outer"),
    ]
    assert outcome.status == "completed"


@pytest.mark.parametrize("name", ["Agent", "Task"])
def test_a_sub_agent_is_shown_as_one_by_either_name(name: str) -> None:
    tool = {"type": "tool_use", "id": "t1", "name": name, "input": {"description": "Look"}}
    frames, _ = read(starts(), whole("msg_1", tool))
    assert [each for each in frames if isinstance(each, ToolStarted)] == [
        ToolStarted("t1", "agent", "Look")
    ]


def test_thinking_becomes_reasoning() -> None:
    frames, _ = read(starts(), thinks("hm"), STOPS, result())
    assert ReasoningDelta("hm") in frames


def thoughts_of(frames: list[Frame]) -> str:
    return "".join(frame.text for frame in frames if isinstance(frame, ReasoningDelta))


@pytest.mark.parametrize("closed", [(), (STOPS,)])
@pytest.mark.parametrize(
    ("second", "heard"), [("hm, well", "hm, well"), ("oh", "hm, \n\noh"), ("hm", "hm, ")]
)
def test_a_message_that_is_asked_for_again_is_thought_once(
    closed: tuple[dict[str, Any], ...], second: str, heard: str
) -> None:
    broken = (starts(), thinks("hm, "), *closed)
    again = (starts("msg_2"), thinks(second), says("Hello"), ENDS, STOPS)
    frames, outcome = read(*broken, *again, result())
    assert (thoughts_of(frames), text_of(frames)) == (heard, "Hello")
    assert outcome.status == "completed"


def test_what_comes_whole_in_the_place_of_a_broken_message_is_thought_once() -> None:
    thought = {"type": "thinking", "thinking": "hm"}
    lines = (whole("msg_2", thought), whole("msg_2", TEXT), result())
    frames, outcome = read(starts(), thinks("hm"), STOPS, *lines)
    assert (thoughts_of(frames), text_of(frames)) == ("hm", "Hello")
    assert outcome.status == "completed"


@pytest.mark.parametrize("end", [ENDS, event("message_delta", delta={"stop_reason": None})])
def test_the_same_thought_behind_a_tool_is_another_one(end: dict[str, Any]) -> None:
    tool = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
    first = (starts(), thinks("hm"), whole("msg_1", tool), end, STOPS)
    second = (starts("msg_2"), thinks("hm"), says("Hello"), ENDS, STOPS)
    frames, outcome = read(*first, *second, result())
    assert (thoughts_of(frames), outcome.status) == ("hmhm", "completed")


def test_whole_messages_that_think_the_same_have_thought_twice() -> None:
    first = (starts(), thinks("hm"), says("One"), ENDS, STOPS)
    second = (starts("msg_2"), thinks("hm"), says("Two"), ENDS, STOPS)
    frames, outcome = read(*first, *second, result())
    assert (thoughts_of(frames), text_of(frames)) == ("hmhm", "One\n\nTwo")
    assert outcome.status == "completed"


def test_input_has_all_cached_tokens_in_it_and_the_cost_is_the_turns_own() -> None:
    frames, _ = read(starts(), says("x"), STOPS, result(), spent=Spent(0.2))
    (seen,) = [frame for frame in frames if isinstance(frame, UsageSeen)]
    assert (seen.input, seen.cached, seen.cache_write, seen.output) == (127, 40, 7, 12)
    (report,) = seen.raw.newest
    assert report["cost_usd"] == pytest.approx(0.3)
    assert report["total_cost_usd"] == 0.5


def counting(message_id: str, **usage: int) -> dict[str, Any]:
    return event("message_start", message={"id": message_id, "usage": usage})


def growing(**usage: int) -> dict[str, Any]:
    return event("message_delta", usage=usage)


FIRST = {"input_tokens": 70, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}


def test_a_turn_without_a_last_word_took_what_its_messages_took() -> None:
    first = counting("msg_1", **FIRST, output_tokens=1), growing(output_tokens=12), STOPS
    frames, outcome = read(*first, counting("msg_2", input_tokens=100, output_tokens=1))
    seen = [frame for frame in frames if isinstance(frame, UsageSeen)][-1]
    assert (seen.input, seen.cached, seen.cache_write, seen.output) == (220, 40, 10, 13)
    assert seen.raw.newest == (
        FIRST | {"output_tokens": 12},
        {"input_tokens": 100, "output_tokens": 1},
    )
    assert outcome.status == "failed"


def test_a_message_that_is_told_of_twice_took_its_tokens_once() -> None:
    again = whole("msg_1", TEXT)
    again["message"]["usage"] = FIRST | {"output_tokens": 1}
    frames, _ = read(again, again)
    (seen,) = [frame for frame in frames if isinstance(frame, UsageSeen)]
    assert (seen.input, seen.output) == (120, 1)


def test_later_zeros_take_nothing_back() -> None:
    zeros = growing(input_tokens=0, cache_read_input_tokens=0, output_tokens=9)
    frames, _ = read(counting("msg_1", **FIRST), zeros)
    seen = [frame for frame in frames if isinstance(frame, UsageSeen)][-1]
    assert (seen.input, seen.cached, seen.output) == (120, 40, 9)


def test_a_request_that_was_cut_off_is_missing_in_claudes_sum_but_not_in_ours() -> None:
    whole_one = counting("msg_1", **FIRST), growing(output_tokens=12), STOPS
    cut = counting("msg_2", **FIRST, output_tokens=1)
    interrupted = result(is_error=True, terminal_reason="aborted_streaming")
    interrupted["usage"] = FIRST | {"output_tokens": 12}
    frames, outcome = read(*whole_one, cut, interrupted)
    seen = [frame for frame in frames if isinstance(frame, UsageSeen)][-1]
    assert (seen.input, seen.cached, seen.output) == (240, 80, 13)
    assert seen.raw.newest[-1]["total_cost_usd"] == 0.5
    assert outcome.status == "interrupted"


def test_a_sum_that_knows_of_more_than_was_heard_is_believed() -> None:
    frames, _ = read(counting("msg_1", **FIRST), says("x"), STOPS, result())
    seen = [frame for frame in frames if isinstance(frame, UsageSeen)][-1]
    assert (seen.input, seen.cache_write, seen.output) == (127, 7, 12)


def of_models(*counts: int) -> dict[str, Any]:
    names = "inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens"
    small, large = dict(zip(names, counts, strict=True)), dict.fromkeys(names, 1000)
    return {"modelUsage": {"small": small, "large": large}}


def recorded_after(before: Spent, message: dict[str, Any]) -> ReadBack:
    """A turn of one line, of a process that had taken so much before it."""
    known = Circumstances(ending=Ending(), counted=before)
    return recorded.read([orjson.dumps(message)], transport="persistent", known=known)


def spent_in(turn: ReadBack) -> Spent:
    assert isinstance(turn.counted, Spent)
    return turn.counted


def test_what_the_process_took_since_the_last_turn_has_sub_agents_in_it() -> None:
    last = recorded_after(NOTHING, result(**of_models(500, 100, 10, 50)))
    ends = result(**of_models(700, 180, 30, 86))
    frames, _ = read(counting("msg_1", **FIRST), STOPS, ends, spent=spent_in(last))
    seen = [frame for frame in frames if isinstance(frame, UsageSeen)][-1]
    assert (seen.input, seen.cached, seen.cache_write, seen.output) == (300, 80, 20, 36)


def test_a_result_without_the_models_counts_takes_nothing_back() -> None:
    before = Spent(0.7, {"input_tokens": 500})
    last = recorded_after(before, result())
    spent = spent_in(last)
    assert (spent.cost, spent.tokens["input_tokens"]) == (0.7, 500)
    (seen,) = [frame for frame in last.frames if isinstance(frame, UsageSeen)]
    assert (seen.input, seen.raw.newest[-1]["cost_usd"]) == (127, 0.0)


def test_the_tokens_of_a_sub_agents_messages_are_left_to_the_sum() -> None:
    inner = counting("msg_9", **FIRST) | {"parent_tool_use_id": "toolu_1"}
    assert not [frame for frame in read(inner)[0] if isinstance(frame, UsageSeen)]


def test_another_thread_than_the_one_asked_for_is_no_success() -> None:
    _, outcome = read(starts(), says("x"), STOPS, result(session_id="another"))
    assert (outcome.status, outcome.cause) == ("failed", "protocol")


def test_success_in_name_with_an_error_is_a_failure() -> None:
    _, outcome = read(result(is_error=True, api_error_status=401, result="Invalid API key"))
    assert (outcome.status, outcome.cause) == ("failed", "auth_failed")
    assert outcome.message == "Invalid API key"


def test_an_end_we_did_not_ask_for_is_an_interruption() -> None:
    _, outcome = read(
        result(subtype="error_during_execution", is_error=True, terminal_reason="aborted_tools")
    )
    assert outcome.status == "interrupted"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"message": "x", "status": 403}, "auth_failed"),
        ({"message": "x", "status": 429}, "rate_limited"),
        ({"message": "x", "status": 429, "retried": False}, "quota_exhausted"),
        ({"message": "You've hit your session limit", "status": 429}, "quota_exhausted"),
        ({"message": "x", "status": 529}, "overloaded"),
        ({"message": "Prompt is too long", "status": 400}, "context_full"),
        ({"message": "Credit balance is too low", "status": 400}, "quota_exhausted"),
        ({"message": "Not logged in · Please run /login"}, "auth_failed"),
        ({"message": "No conversation found with session ID: x"}, "unknown_session"),
        ({"message": "No message found with message.uuid of: x"}, "unknown_session"),
        ({"message": "API Error: Stream ended without receiving any events"}, "cut_stream"),
        ({"message": "Connection to the API was lost (ECONNRESET)."}, "cut_stream"),
        ({"message": "Stream idle timeout - partial response received"}, "stalled"),
        ({"message": "?", "kind": "model_not_found"}, "unknown_model"),
        ({"message": "response exceeded the 64000 output token maximum"}, "length"),
        ({"message": "Claude Code is unable to respond to this request"}, "content_filter"),
        ({"message": "?"}, "protocol"),
    ],
)
def test_a_failure_of_claude_has_one_of_our_causes(given: dict[str, Any], cause: str) -> None:
    assert cause_of(**given) == cause


def test_retries_and_pings_are_no_progress() -> None:
    assert not is_progress({"type": "system", "subtype": "api_retry"})
    assert not is_progress({"type": "system", "subtype": "status"})
    assert not is_progress(event("ping"))
    assert is_progress(says("x"))


@pytest.mark.parametrize("found", [{}, {"type": "stream_event"}, {"type": "assistant"}])
def test_a_line_that_says_nothing_changes_nothing(found: dict[str, Any]) -> None:
    assert line(ClaudeReading(), found)[1] == ()


def test_the_windows_of_a_subscription_are_read_from_the_headers() -> None:
    name = "anthropic-ratelimit-unified"
    headers = {f"{name}-5h-utilization": "0.42", f"{name}-5h-reset": "1767225600"}
    (window,) = quota.windows_of(headers)
    assert (window.name, window.used_percent, window.minutes) == ("five_hour", 42.0, 300)
    assert window.resets_at == NOW
    assert quota.windows_of({f"{name}-5h-utilization": "much"}) == ()


def test_the_windows_of_a_key_are_read_from_the_headers() -> None:
    name = "anthropic-ratelimit-input-tokens"
    headers = {f"{name}-limit": "1000", f"{name}-remaining": "400"}
    assert quota.windows_of(headers) == ()
    (window,) = quota.windows_of(headers | {f"{name}-reset": "2026-01-01T00:00:00Z"})
    assert (window.name, window.used_percent, window.resets_at) == ("input-tokens", 60.0, NOW)


def test_a_refusal_says_when_to_come_back() -> None:
    assert quota.retry_at(429, {"retry-after": "60"}, NOW) == NOW + timedelta(minutes=1)
    unified = {"retry-after": "60", "anthropic-ratelimit-unified-reset": "1767225600"}
    assert quota.retry_at(429, unified, NOW) == NOW
    assert quota.retry_at(200, {"retry-after": "60"}, NOW) is None


def test_a_refusal_by_a_full_window_is_a_quota_used_up() -> None:
    failed, _ = line(ClaudeReading(retries=2), result(is_error=True, api_error_status=429))
    assert outcome_of(failed, Ending()).cause == "rate_limited"
    outcome = outcome_of(failed, Ending(retry_at=NOW), used_up=True)
    assert (outcome.cause, outcome.resets_at) == ("quota_exhausted", NOW)


def test_a_slash_begins_no_command() -> None:
    assert spoken("/clear all") == "\n/clear all"
    assert spoken("clear /all") == "clear /all"


def test_neither_key_nor_instructions_stand_on_the_command_line() -> None:
    file = Path("/home/codara/.claude/instructions.md")
    closed = closed_arguments("http://127.0.0.1:1", Path("/w"))
    told = arguments(
        model="opus",
        thread_id=THREAD,
        resume=True,
        instructions=file,
        closed=closed,
    )
    assert told[-2:] == ("--append-system-prompt-file", str(file))
    assert told[-4:-2] == ("--resume", THREAD)
    variables = environment(Path("/home/codara"), "http://127.0.0.1:1", "token")
    assert variables["ANTHROPIC_API_KEY"] == "token"
    on_login = environment(Path("/home/codara"), "http://127.0.0.1:1", "token", on_login=True)
    assert on_login["CLAUDE_CODE_OAUTH_TOKEN"] == "token"
    assert "ANTHROPIC_API_KEY" not in on_login
    assert not any("token" in word for word in told)


def test_a_copy_is_resumed_at_its_point_under_a_name_of_its_own() -> None:
    told = arguments(
        model="opus",
        thread_id=THREAD,
        resume=False,
        fork=Fork(backend_id="source", mark="point"),
        instructions=None,
        closed=(),
    )
    copy = ("--resume", "source", "--fork-session", "--resume-session-at", "point")
    assert told[-7:] == (*copy, "--session-id", THREAD)


def test_an_effort_is_said_at_the_start() -> None:
    def told(effort: str | None) -> tuple[str, ...]:
        return arguments(
            model="opus",
            thread_id=THREAD,
            resume=True,
            instructions=None,
            effort=effort,
            closed=(),
        )

    at = told("xhigh").index("--effort")
    assert told("xhigh")[at + 1] == "xhigh"
    assert "--effort" not in told(None)


def test_the_point_of_a_turn_is_its_last_message_and_no_sub_agents() -> None:
    said = {"type": "assistant", "uuid": "one", "message": {"id": "m", "content": []}}
    reading, _ = line(ClaudeReading(), said)
    reading, _ = line(reading, {**said, "uuid": "theirs", "parent_tool_use_id": "t"})
    assert reading.mark == "one"
    reading, _ = line(reading, {**said, "uuid": "two"})
    assert reading.mark == "two"


def test_the_native_program_is_found_beside_its_launcher(tmp_path: Path) -> None:
    scope = tmp_path / "node_modules" / "@anthropic-ai"
    launcher = scope / "claude-code" / "bin" / "claude.exe"
    launcher.parent.mkdir(parents=True)
    launcher.write_text("echo not installed\n")
    (scope / "claude-code" / "package.json").write_text("{}")
    missing = native_program(launcher)
    assert missing is not None
    assert not missing.exists()
    missing.parent.mkdir()
    missing.write_text("")
    assert native_program(launcher) == missing


def test_a_program_put_in_its_launchers_place_is_the_program(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@anthropic-ai" / "claude-code"
    launcher = package / "bin" / "claude.exe"
    launcher.parent.mkdir(parents=True)
    launcher.write_bytes(b"\x7fELF" + bytes(8192))
    (package / "package.json").write_text("{}")
    assert native_program(launcher) is None
    assert native_program(Path("/usr/bin/env")) is None
