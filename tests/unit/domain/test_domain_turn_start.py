"""A turn starts: it has its session's word, a slot of its user, an account and the folder."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from given_when_then import (
    ACCOUNT,
    ACCOUNT_LEASE,
    ENDED,
    OTHER_HOLDER,
    OTHER_TURN,
    REQUESTED,
    RUNNING,
    SESSION,
    USER_LEASE,
    WORKSPACE,
    History,
    and_then,
    states,
)

from codara.domain.decisions import Facts
from codara.domain.lending import Borrowable
from codara.domain.turns.start import StartTurn, bind, decide
from codara.errors import (
    AllAccountsCooling,
    ConcurrencyLimit,
    Conflict,
    NoAccount,
    NoFreeAccount,
    WorkspaceBusy,
)
from codara.events import streams
from codara.events.session import Waited
from tests import event_examples
from tests.event_examples import NOW, SOON

LATER = SOON + timedelta(hours=1)
OTHER_LEASE = streams.lease("account", event_examples.ACCOUNT, 1)
BORROWABLE = Borrowable(
    account_id=event_examples.ACCOUNT,
    headroom=80.5,
    last_used_at=None,
    primary=False,
    lease=ACCOUNT_LEASE,
)
READY = StartTurn(
    turn_id=event_examples.TURN,
    session_id=event_examples.SESSION,
    workspace_id=event_examples.WORKSPACE,
    user_id=event_examples.USER,
    provider="codex",
    thread="new",
    baseline="1" * 40,
    jailed=True,
    now=NOW,
    until=SOON,
    floor=5.0,
    user_lease=USER_LEASE,
    accounts=(BORROWABLE,),
)


def start(history: History, **changes: Any) -> Facts:
    """Decides it for the turn that `REQUESTED` tells of."""
    ask = attrs.evolve(READY, **changes)
    return decide(states(history, ask.streams()), ask)


def taken(stream: str, **changes: Any) -> History:
    _, kind, owner, slot = stream.split("/")
    return {stream: [event_examples.lease_taken(kind=kind, owner=owner, slot=int(slot), **changes)]}


def locked(**changes: Any) -> History:
    return {WORKSPACE: [event_examples.workspace_locked(holder=OTHER_HOLDER, **changes)]}


def test_a_turn_that_starts_holds_a_slot_of_its_user_and_one_of_an_account_and_the_folder() -> None:
    chosen = attrs.evolve(event_examples.CHOSEN, refused={})
    leases = (USER_LEASE, ACCOUNT_LEASE)
    assert start(REQUESTED) == {
        SESSION: [event_examples.turn_started(account_chosen=chosen, leases=leases)],
        WORKSPACE: [event_examples.workspace_locked()],
        USER_LEASE: [event_examples.lease_taken(kind="user", owner=event_examples.USER)],
        ACCOUNT_LEASE: [event_examples.lease_taken()],
    }


def test_it_holds_all_of_them_until_its_own_end() -> None:
    facts = start(REQUESTED, until=LATER)
    assert {event.until for events in facts.values() for event in events} == {LATER}


def test_it_tells_what_it_waited_for_and_what_it_goes_on_with() -> None:
    waited = Waited(what="workspace", behind=OTHER_TURN, seconds=1.5)
    [started] = start(REQUESTED, waited=waited, thread="resumed", baseline="7", jailed=False)[
        SESSION
    ]
    told = (started.waited, started.thread, started.baseline, started.jailed)
    assert told == (waited, "resumed", "7", False)


# ------------------------------------------------------------ what stands in the way


@pytest.mark.parametrize("history", [{}, ENDED])
def test_a_session_without_an_open_turn_waits_for_none(history: History) -> None:
    with pytest.raises(Conflict):
        start(history)


def test_a_session_that_waits_for_another_turn_does_not_wait_for_this_one() -> None:
    with pytest.raises(Conflict):
        start(REQUESTED, turn_id=OTHER_TURN)


def test_a_user_without_a_slot_left_is_at_the_limit() -> None:
    with pytest.raises(ConcurrencyLimit) as refused:
        start(REQUESTED, user_lease=None)
    assert refused.value.retry_after == 1.0


def test_a_slot_of_the_user_that_another_turn_took_meanwhile_is_none() -> None:
    with pytest.raises(ConcurrencyLimit):
        start({**REQUESTED, **taken(USER_LEASE, turn_id=OTHER_TURN)})


def test_a_slot_of_the_user_that_was_overstayed_is_free() -> None:
    history = {**REQUESTED, **taken(USER_LEASE, turn_id=OTHER_TURN, until=NOW)}
    assert start(history)[USER_LEASE][0].turn_id == event_examples.TURN


def test_without_an_account_nothing_starts() -> None:
    with pytest.raises(NoAccount, match="codex"):
        start(REQUESTED, accounts=())


def test_an_account_is_ready_by_what_the_log_says_of_it() -> None:
    cooling = and_then(REQUESTED, {ACCOUNT: [event_examples.health_changed()]})
    with pytest.raises(AllAccountsCooling) as refused:
        start(cooling)
    assert refused.value.retry_after == 3600
    assert start(cooling, now=SOON, until=LATER)[ACCOUNT_LEASE][0].turn_id == event_examples.TURN


def test_an_account_whose_slots_are_all_taken_is_not_free() -> None:
    full = attrs.evolve(BORROWABLE, lease=None)
    with pytest.raises(NoFreeAccount):
        start(REQUESTED, accounts=(full,))
    with pytest.raises(NoFreeAccount):
        start({**REQUESTED, **taken(ACCOUNT_LEASE, turn_id=OTHER_TURN)})


def test_the_folder_of_another_holder_is_busy() -> None:
    with pytest.raises(WorkspaceBusy, match=OTHER_TURN):
        start(and_then(REQUESTED, locked()))


def test_a_folder_whose_holder_overstayed_is_taken_over() -> None:
    facts = start(and_then(REQUESTED, locked(until=NOW)))
    assert facts[WORKSPACE] == [event_examples.workspace_locked()]


def test_a_turn_that_runs_does_not_start_a_second_time() -> None:
    second = attrs.evolve(BORROWABLE, lease=OTHER_LEASE)
    with pytest.raises(Conflict):
        start(RUNNING, user_lease=f"lease/user/{event_examples.USER}/1", accounts=(second,))


def test_it_reads_the_session_the_folder_every_account_and_the_slots_it_may_take() -> None:
    full = attrs.evolve(BORROWABLE, account_id="acc_2", lease=None)
    assert attrs.evolve(READY, accounts=(BORROWABLE, full)).streams() == [
        SESSION,
        WORKSPACE,
        ACCOUNT,
        streams.account("acc_2"),
        USER_LEASE,
        ACCOUNT_LEASE,
    ]
    assert USER_LEASE not in attrs.evolve(READY, user_lease=None).streams()


# ------------------------------------------------------------ its thread gets an id


def test_the_thread_of_an_open_turn_gets_an_id() -> None:
    bound = event_examples.backend_bound()
    assert bind(states(RUNNING, [SESSION]), bound) == {SESSION: [bound]}


@pytest.mark.parametrize("history", [{}, ENDED])
def test_the_thread_of_a_turn_that_has_ended_gets_none(history: History) -> None:
    assert bind(states(history, [SESSION]), event_examples.backend_bound()) == {}


def test_the_thread_of_another_turn_gets_none() -> None:
    late = event_examples.backend_bound(turn_id=OTHER_TURN)
    assert bind(states(RUNNING, [SESSION]), late) == {}
