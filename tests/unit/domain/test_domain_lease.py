"""A lease slot: one turn's until it gives it back, or until the time is over."""

from datetime import timedelta

from given_when_then import ACCOUNT_LEASE, OTHER_TURN, folded

from codara.domain import lease
from codara.domain.lease import Lease
from codara.events.base import Event
from tests import event_examples
from tests.event_examples import NOW, SOON


def state(*events: Event) -> Lease:
    found: Lease = folded(ACCOUNT_LEASE, events)
    return found


def test_a_slot_that_nobody_took_is_free() -> None:
    assert state().free(NOW)


def test_a_slot_is_its_turns_until_the_time_that_was_said() -> None:
    taken = state(event_examples.lease_taken())
    assert taken == Lease(turn_id=event_examples.TURN, until=SOON)
    assert not taken.free(SOON - timedelta(microseconds=1))
    assert taken.free(SOON)


def test_a_slot_without_a_time_is_nobodys_for_ever() -> None:
    assert Lease(turn_id=event_examples.TURN, until=None).free(NOW)


def test_a_turn_gives_its_slot_back_once() -> None:
    [released] = lease.release(state(event_examples.lease_taken()), turn_id=event_examples.TURN)
    assert released == event_examples.lease_released()
    free = state(event_examples.lease_taken(), released)
    assert free == lease.EMPTY
    assert lease.release(free, turn_id=event_examples.TURN) == []


def test_a_slot_that_another_turn_took_over_is_not_given_back() -> None:
    taken_over = state(event_examples.lease_taken(), event_examples.lease_taken(turn_id=OTHER_TURN))
    assert lease.release(taken_over, turn_id=event_examples.TURN) == []
    assert lease.evolve(taken_over, event_examples.lease_released()) == taken_over


def test_what_is_no_fact_of_a_lease_is_passed_over() -> None:
    taken = state(event_examples.lease_taken())
    assert lease.evolve(taken, event_examples.turn_started()) == taken


def test_the_last_fact_of_a_slot_says_everything() -> None:
    taken = event_examples.lease_taken(turn_id=OTHER_TURN)
    assert state(event_examples.lease_taken(), event_examples.lease_released(), taken) == state(
        taken
    )
