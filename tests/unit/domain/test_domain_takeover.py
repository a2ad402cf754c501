"""A turn of which nothing has come goes on: with another account, or in a fresh process."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from given_when_then import (
    ACCOUNT,
    ACCOUNT_LEASE,
    ENDED,
    OTHER_TURN,
    QUOTA,
    REQUESTED,
    RUNNING,
    SESSION,
    USER_LEASE,
    History,
    and_then,
    said,
    states,
)

from codara.domain.decisions import Facts
from codara.domain.lending import AccountChange, Borrowable
from codara.domain.turns.takeover import Takeover, change, retry
from codara.errors import AllAccountsCooling, NoFreeAccount
from codara.events import streams
from codara.events.session import AccountChosen, Candidate
from tests import event_examples
from tests.event_examples import NOW, SOON

OTHER, THIRD = "acc_2", "acc_3"
LATER = SOON + timedelta(hours=1)
OTHER_LEASE = streams.lease("account", OTHER, 0)
LIMITED = AccountChange(after="cooldown", cause="rate_limited", until=SOON, evidence="429")


def borrowable(account_id: str, **changes: Any) -> Borrowable:
    ready = Borrowable(
        account_id=account_id,
        headroom=None,
        last_used_at=None,
        primary=False,
        lease=streams.lease("account", account_id, 0),
    )
    return attrs.evolve(ready, **changes)


def joined(account_id: str, *events: Any) -> History:
    registered = event_examples.account_registered(account_id=account_id)
    return {streams.account(account_id): [registered, *events]}


TWO: History = {**RUNNING, **joined(OTHER)}
FAILED = borrowable(event_examples.ACCOUNT, lease=f"lease/account/{event_examples.ACCOUNT}/1")
READY = Takeover(
    turn_id=event_examples.TURN,
    session_id=event_examples.SESSION,
    provider="codex",
    failed=event_examples.ACCOUNT,
    tried=frozenset({event_examples.ACCOUNT}),
    cause="rate_limited",
    health=LIMITED,
    quota=(event_examples.WINDOW,),
    quota_source="headers",
    accounts=(FAILED, borrowable(OTHER)),
    floor=5.0,
    now=NOW,
    until=SOON,
    leases=(USER_LEASE, ACCOUNT_LEASE),
)


def take_over(history: History, **changes: Any) -> Facts:
    """Decides it for the turn that `RUNNING` tells of, whose account was just refused."""
    ask = attrs.evolve(READY, **changes)
    return change(states(history, ask.streams()), ask)


def test_the_next_account_is_taken_the_failed_one_given_back_and_what_it_taught_is_told() -> None:
    chosen = AccountChosen(
        account_id=OTHER,
        policy="headroom",
        best=(
            Candidate(account_id=event_examples.ACCOUNT, headroom=None, refused="rate_limited"),
            Candidate(account_id=OTHER, headroom=None, refused=None),
        ),
        refused={"rate_limited": 1},
    )
    changed = event_examples.account_changed(
        before=event_examples.ACCOUNT, account_chosen=chosen, leases=(USER_LEASE, OTHER_LEASE)
    )
    assert take_over(TWO) == {
        SESSION: [changed],
        ACCOUNT_LEASE: [event_examples.lease_released()],
        OTHER_LEASE: [event_examples.lease_taken(owner=OTHER)],
        ACCOUNT: [event_examples.health_changed(evidence="429")],
        QUOTA: [event_examples.quota_observed()],
    }


def test_the_turns_own_end_stays() -> None:
    [taken] = take_over(TWO, until=LATER)[OTHER_LEASE]
    assert taken.until == LATER


def test_a_failure_that_taught_nothing_changes_the_account_all_the_same() -> None:
    facts = take_over(TWO, health=None, quota=())
    assert list(facts) == [SESSION, ACCOUNT_LEASE, OTHER_LEASE]


def test_a_slot_of_the_failed_account_that_another_turn_took_over_stays_its_own() -> None:
    overstayed = and_then(TWO, {ACCOUNT_LEASE: [event_examples.lease_taken(turn_id=OTHER_TURN)]})
    assert ACCOUNT_LEASE not in said(take_over(overstayed))


@pytest.mark.parametrize("history", [{}, {**TWO, SESSION: ENDED[SESSION]}])
def test_a_turn_that_has_ended_is_not_taken_over(history: History) -> None:
    assert take_over(history) == {}


def test_a_session_that_runs_another_turn_changes_nothing_for_this_one() -> None:
    assert take_over(TWO, turn_id=OTHER_TURN) == {}


# ------------------------------------------------------------ who may take over


def test_the_failed_account_does_not_take_over_from_itself() -> None:
    with pytest.raises(AllAccountsCooling) as refused:
        take_over(RUNNING, accounts=(FAILED,))
    assert refused.value.retry_after == 3600


def test_a_failure_that_tells_no_return_leaves_nothing_to_wait_for() -> None:
    with pytest.raises(AllAccountsCooling) as refused:
        take_over(RUNNING, accounts=(FAILED,), health=None)
    assert refused.value.retry_after is None


def test_what_the_failed_account_waited_for_before_does_not_count() -> None:
    cooling = and_then(RUNNING, {ACCOUNT: [event_examples.health_changed(until=LATER)]})
    with pytest.raises(AllAccountsCooling) as refused:
        take_over(cooling, accounts=(FAILED,))
    assert refused.value.retry_after == 3600


def test_an_account_that_was_tried_before_is_not_tried_again() -> None:
    cooled = event_examples.health_changed(account_id=OTHER, until=NOW + timedelta(minutes=1))
    history = {**RUNNING, **joined(OTHER, cooled), **joined(THIRD)}
    accounts = (FAILED, borrowable(OTHER), borrowable(THIRD))
    tried = frozenset({event_examples.ACCOUNT, OTHER})
    [changed] = take_over(history, accounts=accounts, tried=tried)[SESSION]
    assert changed.account_chosen.account_id == THIRD
    assert changed.account_chosen.refused == {"rate_limited": 1, "cooldown": 1}


def test_an_account_that_was_tried_and_is_ready_is_passed_over_because_it_was_tried() -> None:
    history = {**RUNNING, **joined(OTHER), **joined(THIRD)}
    accounts = (FAILED, borrowable(OTHER), borrowable(THIRD))
    tried = frozenset({event_examples.ACCOUNT, OTHER})
    [changed] = take_over(history, accounts=accounts, tried=tried)[SESSION]
    assert changed.account_chosen.best == (
        Candidate(account_id=event_examples.ACCOUNT, headroom=None, refused="rate_limited"),
        Candidate(account_id=OTHER, headroom=None, refused="tried"),
        Candidate(account_id=THIRD, headroom=None, refused=None),
    )
    assert changed.account_chosen.refused == {"rate_limited": 1, "tried": 1}


def test_a_ready_account_that_was_tried_before_is_not_tried_again() -> None:
    with pytest.raises(AllAccountsCooling):
        take_over(TWO, tried=frozenset({event_examples.ACCOUNT, OTHER}), health=None)


def test_the_earliest_return_of_all_is_told() -> None:
    cooled = event_examples.health_changed(account_id=OTHER, until=NOW + timedelta(minutes=1))
    with pytest.raises(AllAccountsCooling) as refused:
        take_over({**RUNNING, **joined(OTHER, cooled)})
    assert refused.value.retry_after == 60


def test_another_account_that_carries_as_much_as_it_may_takes_nothing_over() -> None:
    with pytest.raises(NoFreeAccount):
        take_over(TWO, accounts=(FAILED, borrowable(OTHER, lease=None)))
    full = {OTHER_LEASE: [event_examples.lease_taken(owner=OTHER, turn_id=OTHER_TURN)]}
    with pytest.raises(NoFreeAccount):
        take_over({**TWO, **full})


def test_it_reads_the_failed_account_even_where_it_can_no_longer_be_lent() -> None:
    asked = [SESSION, ACCOUNT, streams.account(OTHER), ACCOUNT_LEASE, OTHER_LEASE]
    gone = attrs.evolve(READY, accounts=(borrowable(OTHER),))
    assert gone.streams() == [*asked, QUOTA]
    assert attrs.evolve(gone, quota=()).streams() == asked


def test_it_reads_each_account_once_and_no_slot_where_there_is_none() -> None:
    full = attrs.evolve(READY, accounts=(FAILED, borrowable(OTHER, lease=None)), quota=())
    accounts = [ACCOUNT, streams.account(OTHER)]
    assert full.streams() == [SESSION, *accounts, ACCOUNT_LEASE, FAILED.lease]


# ------------------------------------------------------------ a fresh process


def test_a_turn_whose_agent_died_is_retried() -> None:
    retried = event_examples.turn_retried()
    assert retry(states(RUNNING, [SESSION]), retried) == {SESSION: [retried]}


@pytest.mark.parametrize("history", [{}, ENDED])
def test_a_turn_that_has_ended_is_not_retried(history: History) -> None:
    assert retry(states(history, [SESSION]), event_examples.turn_retried()) == {}


def test_another_turn_than_the_session_runs_is_not_retried() -> None:
    late = event_examples.turn_retried(turn_id=OTHER_TURN)
    assert retry(states(REQUESTED, [SESSION]), late) == {}
