"""What the broker saw of the provider, and what it proves against an account."""

import json
from datetime import timedelta

import pytest

from codara.adapters.agents.claude.causes import cause_of
from codara.adapters.agents.session.witness import Witness
from codara.application.ports.agents import Outcome
from tests import event_examples

MODEL = "/v1/messages"


@pytest.fixture
def witness() -> Witness:
    return Witness(lambda text, status: cause_of(text, status=status), MODEL)


def failed(cause: str) -> Outcome:
    back = event_examples.NOW + timedelta(hours=1)
    return Outcome(status="failed", cause=cause, message="so it said", resets_at=back)


def refuse(witness: Witness, status: int, body: str = "", path: str = MODEL) -> None:
    hear = witness.listen(path, status)
    assert hear is not None
    for at in range(0, len(body), 9):
        hear(body[at : at + 9].encode())


def answer(witness: Witness, *events: object) -> None:
    hear = witness.listen(MODEL, 200)
    assert hear is not None
    data = b"".join(b"event: x\ndata: " + json.dumps(event).encode() + b"\n\n" for event in events)
    for at in range(0, len(data), 7):
        hear(data[at : at + 7])


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, "auth_failed"),
        (403, "auth_failed"),
        (429, "rate_limited"),
        (429, "quota_exhausted"),
        (529, "overloaded"),
    ],
)
def test_a_refusal_of_the_provider_is_believed(witness: Witness, status: int, cause: str) -> None:
    refuse(witness, status)
    assert witness.judged(failed(cause)) == failed(cause)


def test_the_words_of_a_refusal_count_where_its_status_says_little(witness: Witness) -> None:
    refuse(witness, 400, '{"error": {"message": "Your credit balance is too low"}}')
    assert witness.judged(failed("quota_exhausted")) == failed("quota_exhausted")


@pytest.mark.parametrize("cause", ["auth_failed", "quota_exhausted", "rate_limited", "overloaded"])
def test_without_one_the_agent_is_not_believed(witness: Witness, cause: str) -> None:
    answer(witness, {"type": "message_start"})
    judged = witness.judged(failed(cause))
    assert (judged.cause, judged.resets_at) == ("protocol", None)
    assert judged.message == (
        f"the agent gave up as {cause}, but its provider said nothing of the kind: so it said"
    )


def test_a_refusal_of_another_kind_proves_nothing(witness: Witness) -> None:
    refuse(witness, 429)
    assert witness.judged(failed("auth_failed")).cause == "protocol"
    assert witness.judged(failed("overloaded")).cause == "protocol"


def test_what_a_tool_asks_for_is_no_question_of_the_accounts_credential(witness: Witness) -> None:
    answer(witness, {"type": "message_start"})
    refuse(witness, 403, "You may not.", path="/v1/organizations")
    assert witness.judged(failed("auth_failed")).cause == "protocol"
    refuse(witness, 401)
    assert witness.judged(failed("auth_failed")) == failed("auth_failed")


def test_before_the_model_has_answered_every_refusal_counts(witness: Witness) -> None:
    refuse(witness, 403, path="/v1/account")
    answer(witness, {"type": "message_start"})
    assert witness.judged(failed("auth_failed")) == failed("auth_failed")


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded"),
        ({"type": "response.failed", "response": {"error": {"code": "slow_down"}}}, "overloaded"),
        ({"error": {"code": "insufficient_quota"}}, "quota_exhausted"),
        ({"type": "error", "code": "rate_limit_exceeded", "error": None}, "rate_limited"),
    ],
)
def test_an_error_in_the_middle_of_an_answer_is_the_providers_word(
    witness: Witness, event: object, cause: str
) -> None:
    answer(witness, {"type": "message_start", "error": None}, event)
    assert witness.judged(failed(cause)) == failed(cause)


def test_what_the_model_says_is_no_error(witness: Witness) -> None:
    said = '{"type": "error", "error": {"type": "overloaded_error"}}'
    answer(witness, {"delta": {"text": said}}, {"delta": {"text": "\ndata: " + said}})
    assert witness.judged(failed("overloaded")).cause == "protocol"


def test_another_key_than_the_jails_is_a_matter_of_the_jail(witness: Witness) -> None:
    witness.refused(MODEL, "invalid_token")
    judged = witness.judged(failed("auth_failed"))
    assert (judged.cause, judged.resets_at) == ("jail", None)
    assert "another key than its jail's" in judged.message


def test_a_login_that_is_over_is_seen_by_the_broker(witness: Witness) -> None:
    answer(witness, {"type": "message_start"})
    witness.refused(MODEL, "login_over")
    assert witness.judged(failed("auth_failed")) == failed("auth_failed")


@pytest.mark.parametrize(
    "cause", ["overloaded", "auth_failed", "rate_limited", "cut_stream", "protocol", "stalled"]
)
def test_a_provider_out_of_reach_is_told_as_that_whatever_the_agent_makes_of_it(
    witness: Witness, cause: str
) -> None:
    witness.refused(MODEL, "upstream_unreachable", "Nobody is there.")
    judged = witness.judged(failed(cause))
    assert (judged.cause, judged.told) == ("unreachable", "Nobody is there.")
    assert (judged.message, judged.resets_at) == ("so it said", None)


def test_a_provider_that_answers_after_all_is_not_out_of_reach(witness: Witness) -> None:
    witness.refused(MODEL, "upstream_unreachable", "Nobody is there.")
    refuse(witness, 429)
    assert witness.judged(failed("rate_limited")) == failed("rate_limited")


def test_what_a_tool_cannot_reach_is_nothing_of_the_turns(witness: Witness) -> None:
    answer(witness, {"type": "message_start"})
    witness.refused("/v1/files", "upstream_unreachable", "Nobody is there.")
    assert witness.judged(failed("cut_stream")) == failed("cut_stream")


def limited(witness: Witness, headers: dict[str, str], body: str = "") -> Outcome:
    """How a turn is judged of which the agent says only that a limit was met."""
    witness.observe(429, headers, event_examples.NOW)
    refuse(witness, 429, body)
    return witness.judged(Outcome(status="failed", cause="rate_limited"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"retry-after": "90"}, ""),
        ({"retry-after-ms": "90000"}, ""),
        ({"x-ratelimit-reset-tokens": "1m30s"}, ""),
        ({}, '{"error": {"type": "usage_limit_reached", "resets_in_seconds": 90}}'),
        ({"retry-after": "1"}, '{"error": {"resets_in_seconds": 90}}'),
    ],
)
def test_the_time_to_come_back_is_taken_from_wherever_the_provider_says_it(
    witness: Witness, headers: dict[str, str], body: str
) -> None:
    back = event_examples.NOW + timedelta(seconds=90)
    assert limited(witness, headers, body).resets_at == back


def test_the_time_that_a_runtime_knows_itself_stays(witness: Witness) -> None:
    witness.observe(429, {"retry-after": "90"}, event_examples.NOW)
    refuse(witness, 429)
    assert witness.judged(failed("rate_limited")) == failed("rate_limited")


@pytest.mark.parametrize("cause", ["crashed", "context_full", "cut_stream", "unknown_model"])
def test_other_causes_blame_no_account(witness: Witness, cause: str) -> None:
    assert witness.judged(failed(cause)) == failed(cause)


def test_a_refusal_of_the_account_is_pending_until_the_model_answers() -> None:
    told: list[str] = []
    witness = Witness(
        lambda text, status: cause_of(text, status=status), MODEL, lambda: told.append("refused")
    )
    refuse(witness, 503)
    refuse(witness, 401, path="/v1/account")
    assert (witness.pending, told) == ("", [])
    refuse(witness, 429, '{"error": "slow down"}')
    assert (witness.pending, witness.words) == ("rate_limited", '{"error": "slow down"}')
    assert told
    answer(witness, {"type": "message_start"})
    assert witness.pending == ""
