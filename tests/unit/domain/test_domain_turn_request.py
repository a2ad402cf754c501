"""A turn is requested: the session is free, and name and idempotency key are its own."""

from typing import Any

import pytest
from given_when_then import (
    ENDED,
    KEY,
    OTHER_TURN,
    REQUEST,
    REQUESTED,
    SESSION,
    History,
    folded,
    states,
)

from codara.domain.decisions import Facts
from codara.domain.turns.request import RequestTurn, decide
from codara.errors import IdempotencyConflict, SessionBusy, VersionClash
from codara.events.name import NameClaimed
from tests import event_examples

NAME = "name/my-conversation"
DIGEST = "b" * 64
NEXT = event_examples.turn_requested(turn_id=OTHER_TURN)
UNCLAIMED: History = {**ENDED, KEY: []}


def request(history: History, **changes: Any) -> Facts:
    """Decides it for a named session that was looked at just now, as far as nothing else is said.

    `since` is what was known of the session when the prompt was worked out.
    """
    since = changes.pop("since", history)
    ready: dict[str, Any] = {
        "requested": event_examples.turn_requested(),
        "accepted": event_examples.request_accepted(),
        "opened": event_examples.session_opened(),
        "session_name": NAME,
        "based_on": folded(SESSION, since.get(SESSION, ())),
        "body_digest": DIGEST,
        "diverged": None,
    }
    named = [SESSION, REQUEST, NAME, KEY]
    return decide(states(history, named), RequestTurn(**ready | changes))


def test_the_first_turn_of_a_session_opens_it_and_claims_its_name_and_key() -> None:
    assert request({}) == {
        SESSION: [event_examples.session_opened(), event_examples.turn_requested()],
        REQUEST: [event_examples.request_accepted()],
        NAME: [NameClaimed(kind="session", owner=event_examples.SESSION)],
        KEY: [event_examples.idempotency_claimed()],
    }


def test_a_session_is_opened_once() -> None:
    assert request(UNCLAIMED, requested=NEXT)[SESSION] == [NEXT]


def test_a_history_that_diverged_is_told_before_the_request() -> None:
    diverged = event_examples.history_diverged()
    opened, requested = event_examples.session_opened(), event_examples.turn_requested()
    assert request({}, diverged=diverged)[SESSION] == [opened, diverged, requested]
    after = event_examples.history_diverged(turn_id=OTHER_TURN)
    assert request(UNCLAIMED, requested=NEXT, diverged=after)[SESSION] == [after, NEXT]


# ------------------------------------------------------------ the session


@pytest.mark.parametrize("history", [REQUESTED, {**REQUESTED, KEY: []}])
def test_a_named_session_with_an_open_turn_is_busy(history: History) -> None:
    with pytest.raises(SessionBusy, match=event_examples.TURN) as refused:
        request(history, requested=NEXT)
    assert refused.value.retry_safe is False


def test_a_named_session_that_became_busy_meanwhile_is_busy_rather_than_moved_on() -> None:
    with pytest.raises(SessionBusy):
        request(REQUESTED, since={}, requested=NEXT)


def test_a_session_that_was_found_is_looked_for_again_once_somebody_else_runs_in_it() -> None:
    with pytest.raises(VersionClash) as clash:
        request(REQUESTED, since={}, requested=NEXT, may_wait=False)
    assert clash.value.stream == SESSION


@pytest.mark.parametrize("may_wait", [True, False])
@pytest.mark.parametrize("since", [{}, REQUESTED])
def test_a_session_that_went_on_meanwhile_is_not_what_the_prompt_was_made_from(
    may_wait: bool, since: History
) -> None:
    with pytest.raises(VersionClash) as clash:
        request(UNCLAIMED, since=since, requested=NEXT, may_wait=may_wait)
    assert clash.value.stream == SESSION


def test_a_session_that_was_found_idle_goes_on() -> None:
    facts = request(UNCLAIMED, requested=NEXT, may_wait=False, session_name=None)
    assert facts[SESSION] == [NEXT]


# ------------------------------------------------------------ its name


def test_a_name_that_is_the_sessions_own_is_not_claimed_again() -> None:
    own = [event_examples.name_claimed(kind="session", owner=event_examples.SESSION)]
    assert request({**UNCLAIMED, NAME: own}, requested=NEXT)[NAME] == []


def test_a_name_that_became_another_sessions_is_looked_up_again() -> None:
    others = [event_examples.name_claimed(kind="session", owner="ses_2")]
    with pytest.raises(VersionClash) as clash:
        request({NAME: others})
    assert clash.value.stream == NAME


def test_a_name_that_was_freed_is_claimed() -> None:
    freed = [event_examples.name_claimed(owner="ses_2"), event_examples.name_freed(owner="ses_2")]
    claimed = NameClaimed(kind="session", owner=event_examples.SESSION)
    assert request({NAME: freed})[NAME] == [claimed]


def test_a_session_without_a_name_claims_none() -> None:
    assert NAME not in request({}, session_name=None)


# ------------------------------------------------------------ its idempotency key


def test_the_key_stands_for_this_turn_of_this_body() -> None:
    wanted = event_examples.turn_requested(
        request_id="req_7", turn_id="trn_7", session_id=event_examples.SESSION
    )
    [claimed] = request({}, requested=wanted, body_digest="c" * 64)[KEY]
    assert claimed == event_examples.idempotency_claimed(
        request_id="req_7", turn_id="trn_7", body_digest="c" * 64
    )


def test_a_key_that_another_turn_of_the_same_body_took_is_looked_up_again() -> None:
    with pytest.raises(VersionClash) as clash:
        request(ENDED, requested=NEXT)
    assert clash.value.stream == KEY


def test_a_key_that_another_body_took_is_a_conflict() -> None:
    with pytest.raises(IdempotencyConflict):
        request(ENDED, requested=NEXT, body_digest="c" * 64)


def test_a_key_that_was_freed_may_begin_another_turn() -> None:
    freed = [*ENDED[KEY], event_examples.idempotency_freed()]
    facts = request({**ENDED, KEY: freed}, requested=NEXT, body_digest="c" * 64)
    assert [event.turn_id for event in facts[KEY]] == [OTHER_TURN]


def test_a_request_without_a_key_claims_none() -> None:
    assert KEY not in request({}, requested=event_examples.turn_requested(idempotency=None))
