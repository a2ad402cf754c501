"""Transcripts: what recorded lines mean, and what they cannot tell."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_agents_fuzz import WAYS, Way, odd

from codara.adapters.agents.claude import recorded as claude
from codara.adapters.agents.claude.reading import Spent
from codara.adapters.agents.codex import recorded as codex
from codara.adapters.agents.gemini import recorded as gemini
from codara.adapters.agents.opencode import recorded as opencode
from codara.adapters.agents.registry import transcripts
from codara.adapters.agents.session.counts import TokenCounts
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.transcript import Circumstances, ReadBack, Transcript, lines_of
from codara.application.ports.frames import BackendSeen, UsageSeen

MODULES: dict[str, Transcript] = {
    "codex": codex,
    "gemini": gemini,
    "opencode": opencode,
    "claude": claude,
}
USAGE = {"input_tokens": 10, "output_tokens": 5}


def read(name: str, *messages: dict[str, Any], transport: Any = None, **known: Any) -> ReadBack:
    lines = [orjson.dumps(message) for message in messages]
    return MODULES[name].read(lines, transport=transport, known=Circumstances(**known))


def usage(turn: ReadBack) -> tuple[int, int] | None:
    return turn.usage and (turn.usage.input, turn.usage.output)


def test_every_runtime_has_its_transcript() -> None:
    assert transcripts() == MODULES


def test_stored_frames_are_lines_between_newlines() -> None:
    assert lines_of(b"") == []
    assert lines_of(b'{"a": 1}\n\n{"b": "\r"}') == [b'{"a": 1}', b"", b'{"b": "\r"}']


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.name}-{way.files}")
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_was_recorded_is_read_to_an_outcome(way: Way, data: st.DataObject) -> None:
    turn = MODULES[way.name].read(data.draw(odd(way)))
    assert turn.outcome.status in ("completed", "failed", "interrupted")


def test_a_line_that_cannot_be_read_ends_the_turn_as_it_did_live() -> None:
    usage = {"method": "thread/tokenUsage/updated", "params": {"tokenUsage": {"total": [1]}}}
    turn = read("codex", starts(), usage, says("unheard"))
    assert (turn.outcome.cause, turn.text) == ("protocol", "")
    assert "cannot be read" in turn.outcome.message
    turn = read("codex", starts(), usage, ending=Ending(stopped="timeout"))
    assert turn.outcome.cause == "timeout"


# codex


def notice(method: str, thread: str = "t", **params: Any) -> dict[str, Any]:
    return {"method": method, "params": {"threadId": thread, **params}}


def starts(turn_id: str = "1", thread: str = "t") -> dict[str, Any]:
    return notice("turn/started", thread, turn={"id": turn_id})


def says(text: str, thread: str = "t") -> dict[str, Any]:
    item = {"id": text, "type": "agentMessage", "text": text}
    return notice("item/completed", thread, item=item)


def counted(total: int, last: int, thread: str = "t") -> dict[str, Any]:
    told = {"total": {"inputTokens": total}, "last": {"inputTokens": last}}
    return notice("thread/tokenUsage/updated", thread, tokenUsage=told)


def ends(turn_id: str = "1", thread: str = "t", **turn: Any) -> dict[str, Any]:
    return notice("turn/completed", thread, turn={"id": turn_id, "status": "completed", **turn})


def test_what_codex_refuses_before_a_turn_starts_is_its_failure() -> None:
    refusal = {"id": 3, "error": {"code": -32600, "message": "no rollout found for thread id t"}}
    turn = read("codex", refusal)
    assert (turn.outcome.status, turn.outcome.cause) == ("failed", "unknown_session")
    fresh = {"id": 4, "result": {"thread": {"id": "u"}}}
    turn = read("codex", refusal, fresh, starts(thread="u"), says("x", "u"), ends(thread="u"))
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "u", "x")


def test_what_codex_refuses_while_a_turn_runs_is_nothing_to_it() -> None:
    refusal = {"id": 3, "error": "no turn to interrupt"}
    assert read("codex", starts(), says("x"), refusal, ends()).outcome.status == "completed"


def test_an_attempt_that_died_without_a_word_is_followed_by_the_next_one() -> None:
    turn = read("codex", starts(), starts("2", "u"), says("x", "u"), ends("2", "u"))
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "u", "x")


def test_a_helper_that_begins_once_something_came_is_no_attempt() -> None:
    lines = starts(), says("x"), starts("9", "helper"), says("y", "helper"), ends()
    turn = read("codex", *lines)
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "t", "x")


def test_codex_counts_from_where_the_thread_stood() -> None:
    lines = starts(), says("x"), counted(130, 30), says("y"), counted(150, 20), ends()
    first = read("codex", *lines, first=True)
    assert (usage(first), first.counted) == ((150, 0), TokenCounts(input=150))
    later = read("codex", *lines, counted=TokenCounts(input=90))
    assert (usage(later), "count" in later.missing) == ((60, 0), False)
    unknown = read("codex", *lines)
    assert (usage(unknown), "count" in unknown.missing) == ((50, 0), True)


def test_the_total_of_a_thread_is_not_taken_for_that_of_a_turn_by_exec() -> None:
    lines = {"type": "thread.started", "thread_id": "t"}, {"type": "turn.completed", "usage": USAGE}
    assert read("codex", *lines).usage is None
    assert usage(read("codex", *lines, first=True)) == (10, 5)
    assert usage(read("codex", *lines, counted=TokenCounts(input=4))) == (6, 5)


def test_what_a_stopped_turn_of_codex_took_is_in_its_home() -> None:
    assert "home" in read("codex", starts(), ends(status="interrupted")).missing
    assert "home" not in read("codex", starts(), says("x"), ends()).missing


# claude


def of_claude(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "session_id": "s", **fields}


INIT = of_claude("system", subtype="init")


def whole(text: str) -> dict[str, Any]:
    message = {"id": text, "content": [{"type": "text", "text": text}]}
    return of_claude("assistant", message=message)


def result(process: int, **fields: Any) -> dict[str, Any]:
    of_all = {"model": {"inputTokens": process, "outputTokens": 5}}
    told = {"stop_reason": "end_turn", "usage": USAGE, "modelUsage": of_all}
    return of_claude("result", subtype="success", **{**told, "total_cost_usd": 0.5, **fields})


def test_claude_counts_from_where_its_process_stood() -> None:
    lines = INIT, whole("x"), result(100)
    for known in ({"first": True}, {"transport": "process"}):
        turn = read("claude", *lines, **known)
        assert (usage(turn), "count" in turn.missing) == ((100, 5), False)
    later = read("claude", *lines, counted=Spent(0.2, {"input_tokens": 70}))
    assert usage(later) == (30, 5)


def test_without_a_count_claudes_own_words_on_the_turn_hold() -> None:
    turn = read("claude", INIT, whole("x"), result(100), transport="persistent")
    assert (usage(turn), turn.counted) == ((10, 5), None)
    assert turn.missing == {"provider", "process", "count"}


def test_two_attempts_of_claude_are_added_up() -> None:
    vain = result(0, is_error=True, result="no", api_error_status=529)
    turn = read("claude", INIT, vain, INIT, whole("x"), result(0), transport="process")
    assert (turn.outcome.status, turn.text, usage(turn)) == ("completed", "x", (20, 10))
    assert turn.usage is not None and len(turn.usage.raw.newest) == 2


# gemini


def test_an_attempt_of_gemini_that_was_refused_is_followed_by_the_next_one() -> None:
    said = {"sessionUpdate": "agent_message_chunk", "content": {"text": "x"}}
    update = {"method": "session/update", "params": {"sessionId": "s", "update": said}}
    done = {"id": 2, "result": {"stopReason": "end_turn"}}
    refused = {"id": 1, "error": {"code": 429, "message": "slow down"}}
    turn = read("gemini", refused, update, done)
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "s", "x")
    assert read("gemini", refused).outcome.cause == "rate_limited"
    again = read("gemini", {"id": 1, "error": {"code": 401, "message": "no key"}}, refused)
    assert again.outcome.cause == "rate_limited"


# opencode


def message(message_id: str, created: int, role: str = "assistant", **info: Any) -> dict[str, Any]:
    told = {"id": message_id, "role": role, "sessionID": "ses_1", "time": {"created": created}}
    return {"type": "message.updated", "properties": {"info": {**told, **info}}}


def words(message_id: str, text: str) -> dict[str, Any]:
    part = {"id": "p" + message_id, "messageID": message_id, "type": "text", "text": text}
    return {"type": "message.part.updated", "properties": {"part": part}}


def answer(message_id: str, session: str = "ses_1") -> dict[str, Any]:
    info = {"id": message_id, "role": "assistant", "sessionID": session, "finish": "stop"}
    return {"info": info | {"time": {"created": 20, "completed": 21}}, "parts": []}


def test_what_opencode_tells_of_earlier_turns_is_not_read() -> None:
    earlier = message("u1", 1, "user", summary={"diffs": []}), message("m1", 2)
    lines = message("u2", 10, "user"), message("m2", 11), words("m2", "x"), answer("m2")
    stale = message("m1", 2), words("m1", "old")
    turn = read("opencode", earlier[0], *lines[:2], *stale, *lines[2:])
    assert (turn.outcome.status, turn.text) == ("completed", "x")
    began = datetime.fromtimestamp(0.010, UTC)
    turn = read("opencode", *earlier, *stale, *lines, began=began)
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "ses_1", "x")


def test_an_answer_alone_names_its_session() -> None:
    turn = read("opencode", answer("m2", "ses_2"))
    assert (turn.outcome.status, turn.backend_id) == ("completed", "ses_2")


def test_another_attempt_of_opencode_begins_with_a_prompt_elsewhere() -> None:
    second = {"sessionID": "ses_2"}
    lines = message("u2", 10, "user", **second), message("m2", 11, **second), words("m2", "x")
    turn = read("opencode", message("u1", 1, "user"), *lines, answer("m2", "ses_2"))
    assert (turn.outcome.status, turn.backend_id, turn.text) == ("completed", "ses_2", "x")


def run(kind: str, **part: Any) -> dict[str, Any]:
    return {"type": kind, "sessionID": "ses_1", "part": {"id": kind, "type": kind, **part}}


def test_a_run_whose_exit_is_not_known_is_done_with_its_last_step() -> None:
    begun, said = run("step_start"), run("text", text="x")
    done = run("step_finish", reason="stop", messageID="m", tokens={"input": 10})
    assert read("opencode", begun, said).outcome.cause == "crashed"
    turn = read("opencode", begun, said, done)
    assert (turn.outcome.status, usage(turn)) == ("completed", (10, 0))
    for code, status in ((0, "completed"), (1, "failed")):
        turn = read("opencode", begun, said, done, ending=Ending(exit_code=code))
        assert turn.outcome.status == status


def test_a_second_run_after_a_refusal_is_another_attempt() -> None:
    error = {"type": "error", "sessionID": "ses_1"}
    refused = {**error, "error": {"name": "ProviderAuthError", "data": {"message": "no key"}}}
    done = run("step_finish", reason="stop", tokens={})
    lines = run("step_start"), refused, run("step_start"), run("text", text="x"), done
    turn = read("opencode", *lines)
    assert (turn.outcome.status, turn.text) == ("completed", "x")
    assert turn.frames.count(BackendSeen("ses_1")) == 2
    assert isinstance(turn.frames[-1], UsageSeen)


def test_a_run_that_goes_on_after_a_full_context_is_the_same_attempt() -> None:
    error = {"name": "ContextOverflowError", "data": {"message": "too long"}}
    full = {"type": "error", "sessionID": "ses_1", "error": error}
    turn = read("opencode", run("step_start"), full, run("step_start"))
    assert turn.outcome.cause == "context_full"
