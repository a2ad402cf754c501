"""What may be lent to a turn: what the log says of an account, what the view knows beside."""

from typing import Any

import attrs
import pytest
from given_when_then import ACCOUNT, ACCOUNT_LEASE, OTHER_TURN, REQUESTED, History, and_then, states

from codara.domain import lending
from codara.domain.lending import Borrowable
from codara.domain.routing import Offer
from codara.domain.tally import Condition
from tests import event_examples
from tests.event_examples import NOW, SOON

KNOWN = Borrowable(
    account_id=event_examples.ACCOUNT,
    headroom=80.5,
    last_used_at=NOW,
    primary=True,
    lease=ACCOUNT_LEASE,
)
OFFERED = Offer(
    account_id=event_examples.ACCOUNT,
    condition=Condition("ready"),
    headroom=80.5,
    last_used_at=NOW,
    primary=True,
    lease=ACCOUNT_LEASE,
)


def offered(history: History, known: Borrowable = KNOWN, now: Any = NOW) -> Offer:
    return lending.offer(states(history, [ACCOUNT, ACCOUNT_LEASE]), known, now)


def test_a_ready_account_is_offered_with_what_the_view_knows_of_it() -> None:
    assert offered(REQUESTED) == OFFERED


def test_an_account_that_waits_is_offered_with_its_return() -> None:
    cooling = and_then(REQUESTED, {ACCOUNT: [event_examples.health_changed()]})
    assert offered(cooling) == attrs.evolve(OFFERED, condition=Condition("cooldown", SOON))
    assert offered(cooling, now=SOON).ready


def test_an_account_with_a_full_window_is_offered_as_exhausted_until_the_window_ends() -> None:
    full = attrs.evolve(KNOWN, full_until=SOON)
    assert offered(REQUESTED, full) == attrs.evolve(OFFERED, condition=Condition("exhausted", SOON))
    assert offered(REQUESTED, full, now=SOON).ready


@pytest.mark.parametrize(
    "history", [{}, and_then(REQUESTED, {ACCOUNT: [event_examples.account_removed()]})]
)
def test_an_account_that_only_the_view_still_knows_is_not_ready(history: History) -> None:
    gone = offered(history)
    assert (gone.ready, gone.condition) == (False, Condition("removed"))


def test_a_slot_that_another_turn_took_meanwhile_is_not_offered() -> None:
    taken = {**REQUESTED, ACCOUNT_LEASE: [event_examples.lease_taken(turn_id=OTHER_TURN)]}
    assert offered(taken) == attrs.evolve(OFFERED, lease=None)
    assert offered(taken, now=SOON) == OFFERED


def test_an_account_without_a_slot_left_is_offered_without_one() -> None:
    assert offered(REQUESTED, attrs.evolve(KNOWN, lease=None)).lease is None


def test_a_slot_is_free_while_nobody_holds_it() -> None:
    assert lending.free(states({}, [ACCOUNT_LEASE]), ACCOUNT_LEASE, NOW) == ACCOUNT_LEASE
    held = states({ACCOUNT_LEASE: [event_examples.lease_taken()]}, [ACCOUNT_LEASE])
    assert lending.free(held, ACCOUNT_LEASE, NOW) is None
    assert lending.free(held, None, NOW) is None


def test_a_slot_that_is_taken_tells_what_its_stream_is_called_after() -> None:
    taken = lending.taken("lease/user/usr_7/12", turn_id=event_examples.TURN, until=SOON)
    assert taken == event_examples.lease_taken(kind="user", owner="usr_7", slot=12)
