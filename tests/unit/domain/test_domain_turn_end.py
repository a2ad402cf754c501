"""A turn ends: what it left behind, everything it held given back, and how it ended."""

from typing import Any

import attrs
import pytest
from given_when_then import (
    ACCOUNT,
    ACCOUNT_LEASE,
    ENDED,
    KEY,
    OTHER_HOLDER,
    OTHER_TURN,
    QUOTA,
    REQUESTED,
    RUNNING,
    SESSION,
    USER_LEASE,
    WORKSPACE,
    History,
    and_then,
    said,
    states,
)

from codara.domain.decisions import Facts
from codara.domain.lending import AccountChange
from codara.domain.turns.end import TOO_LARGE, EndTurn, decide, heard, reduced
from codara.domain.turns.lessons import learnt
from codara.events.account import HealthChanged, QuotaObserved
from codara.events.thread import Thread
from tests import event_examples
from tests.event_examples import NOW, SOON

LEASES = (USER_LEASE, ACCOUNT_LEASE)
LIMITED = AccountChange(after="cooldown", cause="rate_limited", until=SOON, evidence="429")
COOLED = HealthChanged(
    account_id=event_examples.ACCOUNT,
    before="ready",
    after="cooldown",
    cause="rate_limited",
    until=SOON,
    evidence="429",
)
SEEN = QuotaObserved(
    account_id=event_examples.ACCOUNT, source="headers", windows=(event_examples.WINDOW,)
)
COMPLETED = EndTurn(
    ended=event_examples.turn_completed(),
    workspace_id=event_examples.WORKSPACE,
    diff=event_examples.diff_recorded(),
    leases=LEASES,
    now=NOW,
)
RELEASED = event_examples.lease_released()


def end(history: History, **changes: Any) -> Facts:
    """Decides it for the turn that `RUNNING` tells of, which has completed."""
    ask = attrs.evolve(COMPLETED, **changes)
    return decide(states(history, ask.streams()), ask)


@pytest.mark.parametrize(
    "ended",
    [
        event_examples.turn_completed(),
        event_examples.turn_failed(),
        event_examples.turn_cancelled(),
    ],
)
def test_however_a_turn_ends_it_gives_back_what_it_held_and_ends_at_last(ended: Any) -> None:
    facts = end(RUNNING, ended=ended)
    assert facts == {
        WORKSPACE: [event_examples.diff_recorded(), event_examples.workspace_unlocked()],
        USER_LEASE: [RELEASED],
        ACCOUNT_LEASE: [RELEASED],
        SESSION: [ended],
    }
    assert list(facts)[-1] == SESSION


def test_a_turn_that_never_started_has_nothing_to_give_back() -> None:
    ended = event_examples.turn_cancelled()
    assert said(end(REQUESTED, ended=ended, diff=None, leases=())) == {SESSION: [ended]}


def test_a_turn_that_left_no_diff_unlocks_the_folder_all_the_same() -> None:
    assert end(RUNNING, diff=None)[WORKSPACE] == [event_examples.workspace_unlocked()]


@pytest.mark.parametrize("history", [{}, ENDED])
def test_of_a_turn_that_somebody_ended_already_nothing_is_said(history: History) -> None:
    assert end(history, health=LIMITED, account_id=event_examples.ACCOUNT, idempotency=KEY) == {}


def test_of_another_turn_than_the_session_waits_for_nothing_is_said() -> None:
    assert end(RUNNING, ended=event_examples.turn_completed(turn_id=OTHER_TURN)) == {}


def test_a_folder_that_another_holder_took_over_stays_its_own() -> None:
    history = and_then(RUNNING, {WORKSPACE: [event_examples.workspace_locked(holder=OTHER_HOLDER)]})
    assert end(history)[WORKSPACE] == [event_examples.diff_recorded()]


@pytest.mark.parametrize("lease", LEASES)
def test_a_slot_that_another_turn_took_over_stays_its_own(lease: str) -> None:
    history = and_then(RUNNING, {lease: [event_examples.lease_taken(turn_id=OTHER_TURN)]})
    facts = said(end(history))
    assert [each for each in LEASES if each in facts] == [each for each in LEASES if each != lease]


# ------------------------------------------------------------ its idempotency key


def test_the_key_of_a_turn_that_did_nothing_is_freed() -> None:
    assert end(RUNNING, idempotency=KEY)[KEY] == [event_examples.idempotency_freed()]


def test_the_key_of_a_turn_that_did_something_stays() -> None:
    assert KEY not in end(RUNNING)


def test_a_key_that_stands_for_another_turn_stays() -> None:
    others = {**RUNNING, KEY: [event_examples.idempotency_claimed(turn_id=OTHER_TURN)]}
    assert KEY not in end(others, idempotency=KEY)


# ------------------------------------------------------------ what it taught


def test_the_end_tells_what_the_turn_taught_about_its_account() -> None:
    facts = end(
        RUNNING,
        account_id=event_examples.ACCOUNT,
        health=LIMITED,
        quota=(event_examples.WINDOW,),
        quota_source="headers",
    )
    assert (facts[ACCOUNT], facts[QUOTA]) == ([COOLED], [SEEN])
    assert list(facts)[-1] == SESSION


def learn(
    history: History, account_id: str | None = event_examples.ACCOUNT, **changes: Any
) -> Facts:
    ready: dict[str, Any] = {"health": None, "quota": (), "source": "headers", "now": NOW}
    return learnt(states(history, [ACCOUNT]), account_id, **ready | changes)


def test_of_an_account_that_showed_nothing_nothing_is_learnt() -> None:
    assert learn(RUNNING) == {}


def test_without_an_account_nothing_is_learnt() -> None:
    assert learn(RUNNING, None, health=LIMITED, quota=(event_examples.WINDOW,)) == {}


def test_health_is_learnt_without_a_quota_and_a_quota_without_health() -> None:
    assert learn(RUNNING, health=LIMITED) == {ACCOUNT: [COOLED]}
    assert learn(RUNNING, quota=(event_examples.WINDOW,)) == {QUOTA: [SEEN]}


def test_what_is_known_of_an_account_is_not_learnt_again() -> None:
    knowing = and_then(RUNNING, {ACCOUNT: [COOLED]})
    assert said(learn(knowing, health=LIMITED)) == {}


def test_the_end_reads_the_account_and_its_quota_only_to_learn_of_them() -> None:
    always = [SESSION, WORKSPACE]
    assert COMPLETED.streams() == [*always, *LEASES]
    known = attrs.evolve(COMPLETED, account_id=event_examples.ACCOUNT)
    assert known.streams() == [*always, *LEASES]
    limited = attrs.evolve(known, health=LIMITED)
    assert limited.streams() == [*always, ACCOUNT, *LEASES]
    observed = attrs.evolve(known, quota=(event_examples.WINDOW,), idempotency=KEY)
    assert observed.streams() == [*always, QUOTA, KEY, *LEASES]
    nameless = attrs.evolve(COMPLETED, health=LIMITED, quota=(event_examples.WINDOW,))
    assert nameless.streams() == [*always, *LEASES]


# ------------------------------------------------------------ an end too large for an event


LONG = "x" * 201
SHORT = "x" * 200
UNBOUNDED = Thread(backend_id=LONG, point=event_examples.POINT, mark="m")


def test_a_reduced_end_keeps_the_beginning_of_its_answer_and_what_payloads_hold() -> None:
    ask = attrs.evolve(COMPLETED, ended=event_examples.turn_completed(answer=LONG))
    less = reduced(ask).ended
    assert (less.answer, less.answer_payload) == (SHORT, event_examples.PAYLOAD)
    assert (less.end.frames, less.end.thread) == (event_examples.PAYLOAD, event_examples.THREAD)
    assert (less.end.usage.output, less.end.usage.raw, less.end.timings) == (40, {}, {})


def test_a_reduced_end_of_unknown_usage_knows_no_more_of_it() -> None:
    silent = event_examples.turn_completed(end=attrs.evolve(event_examples.END, usage=None))
    assert reduced(attrs.evolve(COMPLETED, ended=silent)).ended.end.usage is None


def test_a_reduced_failure_keeps_the_beginning_of_its_cause_and_message() -> None:
    failed = event_examples.turn_failed(cause=LONG, message=LONG)
    less = reduced(attrs.evolve(COMPLETED, ended=failed)).ended
    assert (less.cause, less.message, less.code) == (SHORT, SHORT, failed.code)


@pytest.mark.parametrize(
    "ended", [event_examples.turn_completed(), event_examples.turn_cancelled()]
)
def test_a_reduced_end_stays_what_it_was(ended: Any) -> None:
    assert type(reduced(attrs.evolve(COMPLETED, ended=ended)).ended) is type(ended)


def test_a_reduced_diff_says_that_it_does_not_say_what_changed() -> None:
    diff = reduced(COMPLETED).diff
    assert diff is not None
    assert (diff.files, diff.patch, diff.truncated, diff.partial) == ((), "", True, (TOO_LARGE,))
    assert (diff.changed, diff.patch_payload) == (1, event_examples.PAYLOAD)
    assert reduced(attrs.evolve(COMPLETED, diff=None)).diff is None


def test_a_reduced_lesson_is_short_and_without_evidence_and_quota() -> None:
    ask = attrs.evolve(
        COMPLETED,
        health=attrs.evolve(LIMITED, cause=LONG),
        quota=(event_examples.WINDOW,),
        leases=LEASES,
    )
    less = reduced(ask)
    assert less.health == attrs.evolve(LIMITED, cause=SHORT, evidence="")
    assert (less.quota, less.leases) == ((), LEASES)
    assert reduced(COMPLETED).health is None


@pytest.mark.parametrize(
    ("thread", "kept"),
    [
        (UNBOUNDED, Thread()),
        (attrs.evolve(UNBOUNDED, backend_id=SHORT), attrs.evolve(UNBOUNDED, backend_id=SHORT)),
        (attrs.evolve(UNBOUNDED, backend_id=None), attrs.evolve(UNBOUNDED, backend_id=None)),
    ],
)
def test_a_thread_whose_id_has_no_bounds_is_not_gone_on_with(thread: Thread, kept: Thread) -> None:
    ended = event_examples.turn_completed(end=attrs.evolve(event_examples.END, thread=thread))
    assert reduced(attrs.evolve(COMPLETED, ended=ended)).ended.end.thread == kept


def test_a_thread_has_the_id_that_was_heard_last() -> None:
    assert heard(event_examples.THREAD, "backend-2") == attrs.evolve(
        event_examples.THREAD, backend_id="backend-2"
    )
    assert heard(event_examples.THREAD, None) == event_examples.THREAD
