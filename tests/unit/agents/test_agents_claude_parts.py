"""What claude's parts do with lines the real program writes too rarely to be recorded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codara.adapters.agents.claude import quota
from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.claude.config import (
    arguments,
    closed_arguments,
    environment,
    native_program,
    spoken,
)
from codara.adapters.agents.claude.outcome import outcome_of
from codara.adapters.agents.claude.parse import is_progress, line
from codara.adapters.agents.claude.reading import Reading
from codara.adapters.agents.ending import Ending
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import Frame, ReasoningDelta, TextDelta, ToolStarted, UsageSeen

THREAD = "11111111-2222-4333-8444-555555555555"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "stream_event", "event": {"type": kind, **fields}, "session_id": THREAD}


def starts(message_id: str = "msg_1") -> dict[str, Any]:
    return event("message_start", message={"id": message_id})


def says(text: str) -> dict[str, Any]:
    return event("content_block_delta", delta={"type": "text_delta", "text": text})


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
    return {**given, "usage": usage, "total_cost_usd": 0.5, **fields}


STOPS = event("message_stop")
TEXT = {"type": "text", "text": "Hello"}


def read(*lines: dict[str, Any], cost: float = 0.0) -> tuple[list[Frame], Outcome]:
    reading, frames = Reading(cost=cost), []
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


def test_a_message_that_began_anew_before_its_first_word_is_none() -> None:
    _, outcome = read(starts(), starts("msg_2"), says("Hello"), STOPS, result())
    assert outcome.status == "completed"


def test_a_success_without_tokens_is_a_cut_stream() -> None:
    _, outcome = read(whole("msg_1", TEXT), result(usage={"input_tokens": 0}))
    assert (outcome.status, outcome.cause) == ("failed", "cut_stream")


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


def test_thinking_becomes_reasoning() -> None:
    delta = event("content_block_delta", delta={"type": "thinking_delta", "thinking": "hm"})
    frames, _ = read(starts(), delta, STOPS, result())
    assert ReasoningDelta("hm") in frames


def test_input_has_all_cached_tokens_in_it_and_the_cost_is_the_turns_own() -> None:
    frames, _ = read(starts(), says("x"), STOPS, result(), cost=0.2)
    (seen,) = [frame for frame in frames if isinstance(frame, UsageSeen)]
    assert (seen.input, seen.cached, seen.cache_write, seen.output) == (127, 40, 7, 12)
    assert seen.raw["cost_usd"] == pytest.approx(0.3)
    assert seen.raw["total_cost_usd"] == 0.5


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
        ({"message": "API Error: Stream ended without receiving any events"}, "cut_stream"),
        ({"message": "Connection to the API was lost (ECONNRESET)."}, "cut_stream"),
        ({"message": "Stream idle timeout - partial response received"}, "stalled"),
        ({"message": "?", "kind": "model_not_found"}, "unknown_model"),
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
    assert line(Reading(), found)[1] == ()


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
    failed, _ = line(Reading(retries=2), result(is_error=True, api_error_status=429))
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
        stays=True,
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
