"""The parts of the gemini runtime: what is overheard, said twice, kept in the home, and started."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.gemini.causes import cause_of, plainly, without_noise
from codara.adapters.agents.gemini.chats import OLD, make_loadable
from codara.adapters.agents.gemini.config import environment, settings_json
from codara.adapters.agents.gemini.outcome import Overheard, outcome_of
from codara.adapters.agents.gemini.parse import acp_line, is_progress
from codara.adapters.agents.gemini.program import find_gemini
from codara.adapters.agents.gemini.reading import (
    GeminiEnded,
    GeminiReading,
    begin_again,
    speak,
    use_tool,
)
from codara.adapters.agents.gemini.turn import GeminiTurn
from codara.adapters.agents.gemini.wire import GeminiAnswer, GeminiWire, ProviderRefused
from codara.adapters.agents.home.programs import version_of
from codara.adapters.agents.session.ending import Ending
from codara.adapters.egress.lending import Lending
from codara.application.ports.frames import (
    ReasoningDelta,
    RetryNotice,
    TextDelta,
    Warned,
    WindowSeen,
)
from codara.errors import AgentFailed
from tests.fakes.sink import Listener

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
STREAM = "/v1beta/models/gemini-2.5-pro:streamGenerateContent"
SESSION = "0a1b2c3d-0000-4000-8000-000000000001"


class Heard:
    """A wire, and what it told."""

    def __init__(self) -> None:
        self.unfinished: list[GeminiAnswer | None] = []
        self.refusals: list[str] = []
        self.moves = 0
        self.windows: list[tuple[WindowSeen, ...]] = []
        self.wire = GeminiWire(
            lambda: NOW,
            answering=self.unfinished.append,
            refusing=self.refusals.append,
            moving=self._moved,
            quota=self.windows.append,
        )

    def answer(self, *chunks: dict[str, Any], status: int = 200, size: int = 7) -> None:
        hear = self.wire.listen(STREAM, status)
        assert hear is not None
        data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks)
        for at in range(0, len(data), size):
            hear(data[at : at + size])

    def refuse(self, status: int, body: dict[str, Any]) -> None:
        hear = self.wire.listen(STREAM, status)
        assert hear is not None
        text = json.dumps(body).encode()
        hear(text[:20])
        hear(text[20:])

    def _moved(self) -> None:
        self.moves += 1


def a_chunk(text: str, finish: str | None = None, **usage: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
    candidate |= {"finishReason": finish} if finish else {}
    return {"candidates": [candidate]} | ({"usageMetadata": usage} if usage else {})


def quota(name: str, delay: str) -> dict[str, Any]:
    violation = {"@type": "QuotaFailure", "violations": [{"quotaId": name}]}
    details = [violation, {"@type": "RetryInfo", "retryDelay": delay}]
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}


def test_an_answer_is_whole_when_the_model_says_so() -> None:
    heard = Heard()
    heard.answer(a_chunk("a"), a_chunk("b", "STOP"))
    assert heard.wire.last == GeminiAnswer(200, "STOP")
    assert heard.moves == 2


def test_what_only_keeps_a_connection_alive_is_no_progress() -> None:
    heard = Heard()
    hear = heard.wire.listen(STREAM, 200)
    assert hear is not None
    for piece in (b": keep-alive\n\n", b"data:\n\n", b"event: ping\n", b"\n", b'data: {"cand'):
        hear(piece)
    assert heard.moves == 0
    hear(b'idates": []}\n\n')
    assert heard.moves == 1


def test_a_refusal_behind_a_whole_answer_is_remembered() -> None:
    heard = Heard()
    heard.answer(a_chunk("I look.", "STOP"))
    heard.refuse(500, {"error": {"code": 500, "message": "An internal error has occurred."}})
    overheard = Overheard(answer=heard.wire.last, refused=heard.wire.refused)
    outcome = outcome_of(GeminiReading(ended=GeminiEnded("completed")), Ending(), overheard)
    assert (outcome.status, outcome.cause) == ("failed", "overloaded")
    assert "refused the agent's last request" in outcome.message
    heard.answer(a_chunk("Done.", "STOP"))
    assert heard.wire.refused is None


def test_a_provider_that_is_not_there_is_no_answer_either() -> None:
    heard = Heard()
    heard.wire.unreachable("/v1beta/models/x:countTokens")
    assert heard.refusals == []
    heard.wire.unreachable(STREAM)
    assert heard.refusals == ["the provider cannot be reached"]
    assert heard.wire.refused == ProviderRefused("overloaded", None)


def test_tokens_of_several_answers_add_up_and_thoughts_are_output() -> None:
    heard = Heard()
    counts = {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 5}
    heard.answer(a_chunk("", None, promptTokenCount=100), a_chunk("", "STOP", **counts))
    heard.answer(a_chunk("", "STOP", **counts, thoughtsTokenCount=7, toolUsePromptTokenCount=3))
    used = heard.wire.usage()
    assert used is not None
    assert (used.input, used.cached, used.output, used.reasoning) == (203, 80, 17, 7)
    assert used.raw.newest == (
        counts,
        counts | {"thoughtsTokenCount": 7, "toolUsePromptTokenCount": 3},
    )


def asides(heard: Heard, body: dict[str, Any], *, size: int = 7) -> None:
    hear = heard.wire.listen(STREAM.replace("streamG", "g"), 200)
    assert hear is not None
    text = json.dumps(body).encode()
    for at in range(0, len(text), size):
        hear(text[at : at + size])


@pytest.mark.parametrize("login", [False, True])
def test_what_gemini_asks_for_itself_is_counted_and_is_no_answer(*, login: bool) -> None:
    heard = Heard()
    heard.answer(a_chunk("hi", "STOP", promptTokenCount=10, candidatesTokenCount=2))
    note = a_chunk("a } note", "MAX_TOKENS", promptTokenCount=30, candidatesTokenCount=3)
    asides(heard, {"response": note} if login else note)
    usage = heard.wire.usage()
    assert usage is not None and (usage.input, usage.output) == (40, 5)
    assert heard.wire.last is not None and heard.wire.last.finish == "STOP"
    assert heard.unfinished == [None]


def test_an_answer_of_no_bounds_is_not_kept() -> None:
    heard = Heard()
    note = a_chunk("x" * 17 * 1024 * 1024, "STOP", promptTokenCount=30)
    asides(heard, note, size=1024 * 1024)
    assert heard.wire.usage() is None


def test_a_refusal_of_what_gemini_asks_for_itself_is_none_of_the_turn() -> None:
    heard = Heard()
    assert heard.wire.listen("/v1beta/models/gemini-2.5-pro:generateContent", 429) is None
    assert (heard.refusals, heard.wire.usage()) == ([], None)


def test_an_unfinished_answer_is_noticed_when_the_next_one_begins() -> None:
    heard = Heard()
    heard.answer(a_chunk("half"))
    heard.answer(a_chunk("half and whole", "STOP"))
    heard.answer(a_chunk("more", "MALFORMED_FUNCTION_CALL"))
    heard.answer(a_chunk("more", "STOP"))
    assert [each is not None for each in heard.unfinished] == [False, True, False, True]


def test_an_answer_to_a_login_is_read_in_its_wrapping() -> None:
    heard = Heard()
    whole = a_chunk("hi", "STOP", promptTokenCount=10, candidatesTokenCount=2)
    heard.answer({"response": a_chunk("hi")}, {"response": whole})
    usage = heard.wire.usage()
    assert heard.wire.last is not None and heard.wire.last.finish == "STOP"
    assert usage is not None and (usage.input, usage.output) == (10, 2)


def test_what_is_left_of_a_logins_quota_is_overheard_once_it_is_whole() -> None:
    heard = Heard()
    hear = heard.wire.listen("/v1internal:retrieveUserQuota", 200)
    assert hear is not None
    left = {"remainingFraction": 0.25, "resetTime": "2026-11-21T08:00:00Z"}
    buckets = [{"modelId": "gemini-2.5-pro", **left}, {"modelId": "no-number"}, 3]
    text = json.dumps({"buckets": buckets}).encode()
    hear(text[:20])
    hear(text[20:])
    resets = datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert heard.windows == [(WindowSeen("gemini-2.5-pro", 75.0, None, resets),)]


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"buckets": 3}', b"no json"])
def test_what_is_no_quota_is_not_told(body: bytes) -> None:
    heard = Heard()
    hear = heard.wire.listen("/v1internal:retrieveUserQuota", 200)
    assert hear is not None
    hear(body)
    assert heard.windows == []


def test_other_requests_are_not_listened_to() -> None:
    assert Heard().wire.listen("/v1beta/models/x:countTokens", 200) is None


@pytest.mark.parametrize(
    ("name", "delay", "cause", "until"),
    [
        ("RequestsPerMinute", "2s", "rate_limited", datetime(2026, 11, 20, 14, 0, 2, tzinfo=UTC)),
        ("RequestsPerDay", "3600s", "quota_exhausted", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("RequestsPerDay", "31s", "quota_exhausted", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("PerMinute", "9" * 12 + "s", "rate_limited", datetime(2026, 12, 21, 14, tzinfo=UTC)),
    ],
)
def test_a_refusal_says_when_to_come_back(
    name: str, delay: str, cause: str, until: datetime
) -> None:
    heard = Heard()
    heard.refuse(429, quota(name, delay))
    assert heard.refusals == ["the provider answered 429"]
    assert heard.wire.refused == ProviderRefused(cause, until)


def spoken(reading: GeminiReading, *pieces: str) -> tuple[GeminiReading, str]:
    said = ""
    for piece in pieces:
        reading, frames = speak(reading, piece)
        said += "".join(frame.text for frame in frames if isinstance(frame, TextDelta))
    return reading, said


def test_what_is_said_twice_is_heard_once() -> None:
    reading, first = spoken(GeminiReading(), "This is ", "a half ")
    reading, again = spoken(begin_again(reading), "This", " is a ", "half answer", ", whole.")
    assert first + again == "This is a half answer, whole."
    assert not reading.torn


def lent_turn() -> tuple[GeminiTurn, Listener, Lending]:
    heard = Listener()
    turn = GeminiTurn(heard, acp_line, lambda: NOW)
    turn.reading = GeminiReading(session_id="s", deaf=True)
    return turn, heard, turn.lending("http://model", "the key")


def update(name: str, **fields: Any) -> dict[str, Any]:
    told = {"sessionUpdate": name, **fields}
    return {"method": "session/update", "params": {"sessionId": "s", "update": told}}


@pytest.mark.parametrize(
    ("again", "expected"), [("hm, well", "hm, well"), ("hm, ", "hm, "), ("oh", "hm, \n\noh")]
)
def test_an_answer_that_is_asked_for_again_is_thought_once(again: str, expected: str) -> None:
    turn, heard, lending = lent_turn()
    assert lending.listen is not None
    for text in ("hm, ", again):
        lending.listen(STREAM, 200)
        turn.heard(b"{}", update("agent_thought_chunk", content={"text": text}))
    assert "".join(frame.text for frame in heard.of(ReasoningDelta)) == expected
    assert len(heard.of(RetryNotice)) == 1


def test_the_same_thought_behind_a_tool_is_another_one() -> None:
    turn, heard, lending = lent_turn()
    assert lending.listen is not None
    for _ in range(2):
        lending.listen(STREAM, 200)
        turn.heard(b"{}", update("agent_thought_chunk", content={"text": "hm"}))
        turn.heard(b"{}", update("tool_call", toolCallId="t1", kind="execute", title="ls"))
    assert [frame.text for frame in heard.of(ReasoningDelta)] == ["hm", "hm"]
    assert heard.of(RetryNotice) == []


def test_another_answer_in_the_place_of_a_half_one_is_no_success() -> None:
    reading, _ = spoken(GeminiReading(), "This is a half ")
    reading, again = spoken(begin_again(reading), "Something", " else")
    done = attrs.evolve(reading, ended=GeminiEnded("completed"))
    assert (again, outcome_of(done, Ending()).cause) == ("", "cut_stream")


def test_half_of_what_was_said_already_is_no_whole_answer() -> None:
    reading, _ = spoken(GeminiReading(), "The result is 42, bec")
    reading, again = spoken(begin_again(reading), "The result is 4")
    done = attrs.evolve(reading, ended=GeminiEnded("completed"))
    overheard = Overheard(answer=GeminiAnswer(200, "STOP"))
    assert (again, outcome_of(done, Ending(), overheard).cause) == ("", "cut_stream")


def test_a_tool_in_the_place_of_what_was_said_already_is_no_success() -> None:
    reading, _ = spoken(GeminiReading(), "I will del")
    reading, _ = spoken(use_tool(begin_again(reading), "t1"), "Done.")
    done = attrs.evolve(reading, ended=GeminiEnded("completed"))
    overheard = Overheard(answer=GeminiAnswer(200, "STOP"))
    assert outcome_of(done, Ending(), overheard).cause == "cut_stream"


def test_a_repeated_word_is_no_repetition() -> None:
    _, said = spoken(GeminiReading(), "ha ", "ha ", "ha")
    assert said == "ha ha ha"


def test_text_behind_a_tool_stands_apart() -> None:
    reading, before = spoken(GeminiReading(), "I look.")
    _, after = spoken(use_tool(reading, "t1"), "Done.", " All.")
    assert before + after == "I look.\n\nDone. All."


@pytest.mark.parametrize(
    ("finish", "cause"),
    [
        ("STOP", None),
        (None, "cut_stream"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "protocol"),
    ],
)
def test_a_success_is_believed_only_with_a_whole_answer(
    finish: str | None, cause: str | None
) -> None:
    overheard = Overheard(answer=GeminiAnswer(200, finish))
    assert (
        outcome_of(GeminiReading(ended=GeminiEnded("completed")), Ending(), overheard).cause
        == cause
    )
    unreasoned = GeminiEnded("failed", "gemini gave no reason", "protocol")
    outcome = outcome_of(GeminiReading(ended=unreasoned), Ending(), overheard)
    assert (outcome.status, outcome.cause) == ("failed", cause or "protocol")


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("RECITATION", "content_filter")],
)
def test_an_answer_that_was_cut_says_so(finish: str, reason: str) -> None:
    said, _ = spoken(GeminiReading(ended=GeminiEnded("completed")), "half")
    outcome = outcome_of(said, Ending(), Overheard(answer=GeminiAnswer(200, finish)))
    assert (outcome.status, outcome.cause, outcome.finish_reason) == ("completed", None, reason)


def test_a_success_without_any_answer_is_none() -> None:
    outcome = outcome_of(GeminiReading(ended=GeminiEnded("completed")), Ending(), Overheard())
    assert (outcome.status, outcome.cause) == ("failed", "protocol")


def test_old_messages_are_not_heard() -> None:
    line = update("agent_message_chunk", content={"text": "old"})
    assert acp_line(GeminiReading(session_id="s", deaf=True), line)[1] == ()
    assert acp_line(GeminiReading(session_id="other"), line)[1] == ()
    assert acp_line(GeminiReading(session_id="s"), line)[1] == (TextDelta("old"),)
    assert is_progress(line)


def test_a_change_of_mode_is_not_part_of_the_answer() -> None:
    line = update("agent_message_chunk", content={"text": "[MODE_UPDATE] plan"})
    assert acp_line(GeminiReading(session_id="s"), line)[1] == (Warned("[MODE_UPDATE] plan"),)


@pytest.mark.parametrize("reason", ["max_turn_requests", "refusal", "max_tokens", "who knows"])
def test_a_turn_that_stopped_for_another_reason_has_failed(reason: str) -> None:
    reading, _ = acp_line(GeminiReading(), {"id": 3, "result": {"stopReason": reason}})
    assert outcome_of(reading, Ending()).status == "failed"


def test_errors_are_told_plainly() -> None:
    body = '{"error":{"code":403,"message":"No access.","status":"PERMISSION_DENIED"}}'
    assert plainly(f"[API Error: {body}]") == "No access."
    assert plainly("[API Error: It is over.]\nPlease wait.") == "It is over.\nPlease wait."
    assert cause_of(body) == "auth_failed"
    assert without_noise("YOLO mode is enabled. All\nWarning: dumb\nboom") == "boom"


def a_record(home: Path, name: str, session_id: str, size: int = 0) -> Path:
    folder = home / ".gemini" / "tmp" / "ws" / "chats"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({"sessionId": session_id}) + "\n" + "x" * size)
    return path


def test_a_record_gets_the_name_of_an_old_minute(tmp_path: Path) -> None:
    path = a_record(tmp_path, "session-2026-11-20T14-00-0a1b2c3d.jsonl", SESSION, 100)
    shadow = a_record(tmp_path, "session-2026-11-20T14-09-0a1b2c3d.jsonl", SESSION)
    other = a_record(
        tmp_path, "session-2026-11-20T14-10-0a1b2c3d.jsonl", SESSION.replace("8000", "9000")
    )
    assert make_loadable(tmp_path, SESSION)
    assert make_loadable(tmp_path, SESSION)
    assert not path.exists()
    assert not shadow.exists()
    assert {each.name for each in path.parent.iterdir()} == {
        f"session-{OLD}-0a1b2c3d.jsonl",
        other.name,
    }


@pytest.mark.parametrize("name", ["../../x", "", SESSION])
def test_a_session_without_a_record_cannot_be_loaded(tmp_path: Path, name: str) -> None:
    assert not make_loadable(tmp_path, name)


def test_links_in_a_home_are_not_followed(tmp_path: Path) -> None:
    path = a_record(tmp_path / "elsewhere", "session-2026-11-20T14-00-0a1b2c3d.jsonl", SESSION)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gemini").symlink_to(tmp_path / "elsewhere" / ".gemini")
    assert not make_loadable(tmp_path / "home", SESSION)
    assert path.exists()


def test_the_settings_are_quiet_and_keep_sessions() -> None:
    settings = json.loads(settings_json())
    assert settings["security"]["auth"]["selectedType"] == "gemini-api-key"
    assert settings["general"]["sessionRetention"] == {"enabled": False}
    assert settings["general"]["maxAttempts"] == 2
    assert settings["telemetry"] == {"enabled": False}
    given = environment(Path("/home/codara"), "http://127.0.0.1:1", "token")
    assert given["GEMINI_API_KEY"] == "token"
    assert given["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] == "/home/codara/.gemini/settings.json"


async def test_a_script_is_started_by_node_and_its_package_tells_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "node_modules" / "@google" / "gemini-cli"
    (package / "bundle").mkdir(parents=True)
    (package / "package.json").write_text('{"version": "9.8.7"}')
    script = an_executable(package / "bundle" / "gemini.js")
    link = tmp_path / "gemini"
    link.symlink_to(script)
    node = an_executable(tmp_path / "node" / "bin" / "node")
    monkeypatch.setenv("PATH", str(node.parent))
    command = find_gemini(str(link))
    assert (command.words[0], command.words[-1]) == (str(node), str(script))
    assert command.words[1:-1] == command.before[1:]
    assert command.before[1] == "--import"
    assert command.folders == (package, tmp_path / "node")
    assert await version_of(command) == "9.8.7"


def test_without_node_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = an_executable(tmp_path / "gemini.js")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr("codara.adapters.agents.gemini.program._OWN_NODE", tmp_path / "none")
    with pytest.raises(AgentFailed, match="needs Node"):
        find_gemini(str(script))


def an_executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/usr/bin/env node\n")
    path.chmod(0o755)
    return path
