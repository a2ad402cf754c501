"""Configuration, causes, patience and the last word on a turn of opencode."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import agent_turn
import attrs
import pytest

from codara.adapters.agents.opencode import asking
from codara.adapters.agents.opencode.causes import Retry, cause_of_error, gives_up
from codara.adapters.agents.opencode.config import (
    ModelName,
    Way,
    config_of,
    environment,
    native_program,
    run_arguments,
)
from codara.adapters.agents.opencode.outcome import outcome_of
from codara.adapters.agents.opencode.parse import run_line, serve_event
from codara.adapters.agents.opencode.reading import Failure, OpenCodeReading, count
from codara.adapters.agents.opencode.turn import OpencodeTurn
from codara.adapters.agents.session.ending import Ending
from codara.application.ports.agents import EFFORTS
from codara.application.ports.frames import QuotaSeen, TextDelta, UsageSeen
from tests import event_examples
from tests.fakes.sink import Listener

DONE = OpenCodeReading(session_id="ses_1", finish="stop", answered=True)
OURS = OpenCodeReading(session_id="ses_1", since=100)


def test_every_steps_own_numbers_are_kept_and_each_is_counted_once() -> None:
    told = [
        {"input": 80, "output": 7, "reasoning": 5, "total": 132, "cache": {"read": 40}},
        {"input": 90, "output": 12, "reasoning": 0, "total": 102, "cache": {"write": 3}},
    ]
    parts = [{"id": f"prt_{at}", "reason": "stop", "tokens": each} for at, each in enumerate(told)]
    reading, _ = count(OURS, parts[0])
    reading, (seen,) = count(reading, parts[1])
    assert count(reading, parts[1])[1] == ()
    assert isinstance(seen, UsageSeen)
    assert (seen.input, seen.cached, seen.cache_write) == (213, 40, 3)
    assert (seen.output, seen.reasoning) == (24, 5)
    assert list(seen.raw.newest) == told


@pytest.mark.parametrize(
    ("mark", "body"),
    [("msg_2", {"messageID": "msg_3"}), ("msg_3", {}), ("msg_9", None), ("", None)],
)
def test_a_copy_ends_before_the_message_behind_its_point(
    mark: str, body: dict[str, str] | None
) -> None:
    messages = [{"info": {"id": f"msg_{at}"}} for at in (1, 2, 3)]
    assert asking.copying(messages, mark) == body


def test_the_point_of_a_turn_is_its_last_message() -> None:
    steps = ({"id": f"p{at}", "messageID": f"msg_{at}", "reason": "stop"} for at in (1, 2))
    reading = OURS
    for step in steps:
        reading, _ = run_line(reading, {"type": "step_finish", "part": step})
    assert reading.mark == "msg_2"
    reading, _ = serve_event(OURS, {"info": {"id": "msg_3", "finish": "stop"}, "parts": []})
    assert reading.mark == "msg_3"


def test_a_models_first_segment_names_the_provider() -> None:
    assert ModelName.of("a/b/c") == ModelName("a", "b/c")
    assert str(ModelName.of("bare")) == "codara/bare"


def test_only_the_jails_own_endpoint_is_configured() -> None:
    way = Way(endpoint="http://127.0.0.1:8377", token="tok", models=("a/one", "b/two", "a/three"))
    config = json.loads(config_of(way))
    assert config["enabled_providers"] == ["a", "b"]
    assert config["small_model"] == config["model"] == "a/one"
    assert {block["options"]["baseURL"] for block in config["provider"].values()} == {way.endpoint}
    assert list(config["provider"]["a"]["models"]) == ["one", "three"]
    assert (config["autoupdate"], config["share"]) == (False, "disabled")


def test_only_a_server_has_a_password() -> None:
    assert "OPENCODE_SERVER_PASSWORD" not in environment("{}")
    assert environment("{}", "pw")["OPENCODE_SERVER_PASSWORD"] == "pw"


def test_a_fresh_session_has_a_title_so_that_nobody_asks_for_one() -> None:
    assert "--title" in run_arguments("a/b", None, Path("/w"))
    assert run_arguments("a/b", "ses_1", Path("/w"))[-2:] == ("--session", "ses_1")


def test_an_effort_is_a_variant_of_any_model() -> None:
    told = run_arguments("a/b", None, Path("/w"), effort="high")
    assert told[told.index("--variant") + 1] == "high"
    assert "--variant" not in run_arguments("a/b", None, Path("/w"))
    way = Way(endpoint="http://127.0.0.1:1", token="t", models=("a/b",))
    variants = json.loads(config_of(way))["provider"]["a"]["models"]["b"]["variants"]
    assert list(variants) == list(EFFORTS)
    assert variants["high"] == {"reasoningEffort": "high"}
    assert asking.message(agent_turn.turn(model="a/b", effort="high"))["variant"] == "high"
    assert "variant" not in asking.message(agent_turn.turn(model="a/b"))


def test_the_launcher_is_followed_though_its_script_never_ran(tmp_path: Path) -> None:
    launcher = tmp_path / "opencode-ai" / "bin" / "opencode.exe"
    launcher.parent.mkdir(parents=True)
    launcher.write_text("echo no")
    (tmp_path / "opencode-ai" / "package.json").write_text("{}")
    assert native_program(launcher) is None
    for machine in ("x64", "arm64"):
        native = tmp_path / f"opencode-linux-{machine}" / "bin" / "opencode"
        native.parent.mkdir(parents=True)
        native.touch()
    found = native_program(launcher)
    assert found is not None
    assert found.name == "opencode"


@pytest.mark.parametrize(
    ("name", "status", "message", "cause"),
    [
        ("ContextOverflowError", None, "", "context_full"),
        ("ProviderAuthError", None, "", "auth_failed"),
        ("APIError", 401, "", "auth_failed"),
        ("APIError", 404, "", "unknown_model"),
        ("APIError", 429, "slow down", "rate_limited"),
        ("APIError", 429, "exceeded your current quota", "quota_exhausted"),
        ("APIError", 502, "", "overloaded"),
        ("APIError", 400, "maximum context length is 10", "context_full"),
        ("MessageOutputLengthError", None, "", "length"),
        ("APIError", None, "blocked by the provider's content filter", "content_filter"),
        ("UnknownError", None, "Unexpected server error", "protocol"),
    ],
)
def test_an_error_of_opencode_has_one_cause(
    name: str, status: int | None, message: str, cause: str
) -> None:
    error = {"name": name, "data": {"message": message, "statusCode": status}}
    assert cause_of_error(error) == cause


@pytest.mark.parametrize(
    ("retry", "status", "spoke", "cause"),
    [
        (Retry(1, "Something broke.", 2000), 500, False, None),
        (Retry(2, "Something broke.", 2000), 500, False, "overloaded"),
        (Retry(1, "Something broke.", 60_000), 500, False, "overloaded"),
        (Retry(1, "Something broke.", 2000), 200, True, "cut_stream"),
        (Retry(1, "Connection reset by server", 2000), None, False, None),
        (Retry(2, "Connection reset by server", 2000), None, False, "cut_stream"),
        (Retry(1, "You exceeded your current quota", 2000), 429, False, "quota_exhausted"),
        (Retry(1, "slow down", 2000), 429, False, None),
        (Retry(2, "slow down", 2000), 429, False, "rate_limited"),
    ],
)
def test_a_vain_wait_is_ended(
    retry: Retry, status: int | None, spoke: bool, cause: str | None
) -> None:
    assert gives_up(retry, status=status, spoke=spoke, now=0) == cause


def test_only_a_message_that_ended_well_completes_a_turn() -> None:
    assert outcome_of(DONE, Ending(expected="ses_1")).status == "completed"
    for finish in ("tool-calls", "unknown"):
        outcome = outcome_of(attrs.evolve(DONE, finish=finish), Ending())
        assert (outcome.status, outcome.cause) == ("failed", "cut_stream")
    assert outcome_of(attrs.evolve(DONE, finish=None), Ending()).status == "interrupted"
    assert outcome_of(attrs.evolve(DONE, finish=None), Ending(exit_code=0)).cause == "crashed"


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "length"), ("content-filter", "content_filter")]
)
def test_an_answer_that_was_cut_says_so_and_without_a_word_it_is_none(
    finish: str, reason: str
) -> None:
    cut = attrs.evolve(DONE, finish=finish)
    outcome = outcome_of(attrs.evolve(cut, speaking="prt_1"), Ending())
    assert (outcome.status, outcome.finish_reason) == ("completed", reason)
    outcome = outcome_of(attrs.evolve(cut, speaking=None), Ending())
    assert (outcome.status, outcome.cause) == ("failed", reason)


@pytest.mark.parametrize(
    ("ending", "cause"),
    [
        (Ending(exit_code=137), "crashed"),
        (Ending(expected="ses_2"), "unknown_session"),
        (Ending(stopped="stalled"), "stalled"),
    ],
)
def test_what_speaks_against_an_answer_outweighs_it(ending: Ending, cause: str) -> None:
    outcome = outcome_of(DONE, ending)
    assert (outcome.status, outcome.cause) == ("failed", cause)


def test_a_process_that_ended_without_a_word_has_crashed() -> None:
    outcome = outcome_of(OpenCodeReading(session_id="ses_1"), Ending(exit_code=0))
    assert (outcome.status, outcome.cause) == ("failed", "crashed")


def test_an_error_in_a_good_answer_is_a_failure() -> None:
    error = {"name": "APIError", "data": {"message": "no", "statusCode": 401}}
    answer = {"info": _message("m", error=error, finish="stop"), "parts": []}
    reading, _ = serve_event(OURS, answer)
    assert outcome_of(reading, Ending()).cause == "auth_failed"


def test_a_message_that_bears_its_error_early_keeps_its_words() -> None:
    error = {"name": "ContentFilterError", "data": {"message": "the provider's content filter"}}
    part = {"id": "p", "type": "text", "messageID": "m", "text": "half of it"}
    early = _event("message.updated", info=_message("m", error=error, finish="content-filter"))
    reading, _ = serve_event(OURS, early)
    _, frames = serve_event(reading, _event("message.part.updated", part=part))
    assert frames == (TextDelta("half of it"),)
    late, frames = serve_event(OURS, {"info": early["properties"]["info"], "parts": [part]})
    assert frames == (TextDelta("half of it"),)
    for told in (reading, late):
        assert outcome_of(told, Ending()).cause == "content_filter"
    reading, _ = serve_event(reading, _event("session.error", error=error))
    assert serve_event(reading, _event("message.part.updated", part=part))[1] == ()


@pytest.mark.parametrize("first", ["message", "rest"])
async def test_events_are_settled_once_the_message_ended_and_the_agent_rests(first: str) -> None:
    current = OpencodeTurn(Listener(), serve_event, lambda: event_examples.NOW)
    current.reading = attrs.evolve(OURS, since=0)
    info = _message("m", finish="stop")
    events = [
        _event("message.updated", info={**info, "time": {"created": 1, "completed": 2}}),
        _event("session.idle"),
    ]
    waiting = asyncio.create_task(current.settled("m"))
    for event in events if first == "message" else reversed(events):
        await asyncio.sleep(0)
        assert not waiting.done()
        current.heard(json.dumps(event).encode(), event)
    await asyncio.wait_for(waiting, 5)


def test_what_the_events_brought_is_not_said_again_by_the_answer() -> None:
    part = {"id": "p", "type": "text", "messageID": "m", "text": "Hello you"}
    reading, _ = serve_event(OURS, _event("message.updated", info=_message("m")))
    delta = {"messageID": "m", "partID": "p", "field": "text", "delta": "Hello"}
    reading, first = serve_event(reading, _event("message.part.delta", **delta))
    answer = {"info": _message("m", finish="stop"), "parts": [part]}
    reading, rest = serve_event(reading, answer)
    assert (first, rest) == ((TextDelta("Hello"),), (TextDelta(" you"),))
    assert outcome_of(reading, Ending()).status == "completed"


def test_messages_of_earlier_turns_and_summaries_say_nothing() -> None:
    reading = OURS
    old, summary = _message("old", created=99), _message("sum", summary=True)
    for info in (old, summary, _message("child", session_id="ses_2")):
        reading, _ = serve_event(reading, _event("message.updated", info=info))
        part = {"id": "p", "type": "text", "messageID": info["id"], "text": "words"}
        reading, frames = serve_event(reading, _event("message.part.updated", part=part))
        assert frames == ()


def _event(kind: str, **properties: object) -> dict[str, object]:
    return {"type": kind, "properties": {"sessionID": "ses_1", **properties}}


def _message(
    message_id: str, *, created: int = 100, session_id: str = "ses_1", **more: object
) -> dict[str, object]:
    named = {"id": message_id, "sessionID": session_id, "role": "assistant"}
    return {**named, "time": {"created": created}, **more}


def test_what_the_server_says_of_its_limits_is_passed_on() -> None:
    heard = Listener()
    current = OpencodeTurn(heard, serve_event, lambda: event_examples.NOW)
    lent = current.lending("http://127.0.0.1", "sk")
    observe = lent.observe
    assert observe is not None
    assert lent.listen is not None
    names = ("limit", "remaining", "reset")
    values = dict(zip(names, ("100", "25", "1m0s"), strict=True))
    observe(200, {f"x-ratelimit-{name}-tokens": value for name, value in values.items()})
    observe(429, {"retry-after": "5"})
    lent.listen("/v1/chat/completions", 429)
    (seen,) = heard.of(QuotaSeen)
    assert [(window.name, window.used_percent) for window in seen.windows] == [("tokens", 75.0)]
    failed = OpenCodeReading(failure=Failure("rate_limited", "later"))
    current.reading = failed
    assert current.outcome(Ending()).resets_at == event_examples.NOW + timedelta(seconds=5)
