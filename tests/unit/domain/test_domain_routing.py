"""Which account a turn borrows, and why none."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from codara.domain.routing import Offer, choose
from codara.domain.tally import Condition
from codara.errors import (
    AccountRefused,
    AllAccountsCooling,
    CodaraError,
    NoAccount,
    NoFreeAccount,
)
from codara.events.session import AccountChosen, Candidate
from tests.event_examples import NOW

SOON = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)
READY = Offer(
    account_id="a",
    condition=Condition("ready"),
    headroom=50.0,
    last_used_at=None,
    primary=False,
    lease="lease/account/a/0",
)


def offer(account_id: str, **changes: Any) -> Offer:
    return attrs.evolve(READY, account_id=account_id, **changes)


def cooling(account_id: str, until: Any = None) -> Offer:
    return offer(account_id, condition=Condition("cooldown", until))


def full(account_id: str, **changes: Any) -> Offer:
    return offer(account_id, lease=None, **changes)


def chosen(*offers: Offer, floor: float = 5.0) -> str:
    return recorded(*offers, floor=floor).account_id


def recorded(*offers: Offer, floor: float = 5.0) -> AccountChosen:
    taken, choice = choose(offers, floor=floor, provider="codex", now=NOW)
    assert taken.account_id == choice.account_id
    return choice


# ------------------------------------------------------------ the ranking


def test_the_account_with_most_headroom_is_chosen() -> None:
    assert chosen(offer("a", headroom=20.0), offer("b", headroom=80.0)) == "b"


def test_an_account_whose_headroom_nobody_has_seen_comes_first() -> None:
    assert chosen(offer("a", headroom=100.0), offer("b", headroom=None)) == "b"


def test_of_equal_headroom_the_one_that_was_used_longest_ago_is_chosen() -> None:
    used = offer("a", last_used_at=NOW)
    assert chosen(used, offer("b", last_used_at=NOW - timedelta(hours=1))) == "b"
    assert chosen(used, offer("c")) == "c"


def test_of_equal_use_the_id_decides_whatever_the_order() -> None:
    assert chosen(offer("b"), offer("a")) == chosen(offer("a"), offer("b")) == "a"


def test_a_primary_account_comes_before_one_with_more_headroom() -> None:
    primary = offer("b", headroom=6.0, primary=True)
    assert chosen(offer("a", headroom=90.0), primary) == "b"


@pytest.mark.parametrize("headroom", [5.0, 4.0])
def test_a_primary_account_at_the_floor_is_like_any_other(headroom: float) -> None:
    primary = offer("b", headroom=headroom, primary=True)
    assert chosen(offer("a", headroom=90.0), primary) == "a"
    assert chosen(offer("a", headroom=1.0), primary) == "b"


def test_a_primary_account_that_nobody_has_seen_is_above_the_floor() -> None:
    primary = offer("b", headroom=None, primary=True)
    assert chosen(offer("a", headroom=None), primary, floor=100.0) == "b"


# ------------------------------------------------------------ who is passed over


@pytest.mark.parametrize(
    ("passed_over", "reason"),
    [
        (cooling("a"), "cooldown"),
        (offer("a", reason="rate_limited"), "rate_limited"),
        (offer("a", condition=Condition("exhausted", SOON), primary=True), "exhausted"),
        (offer("a", condition=Condition("error"), primary=True), "error"),
        (full("a"), "no_free_lease"),
    ],
)
def test_what_cannot_be_lent_is_passed_over_for_the_next(passed_over: Offer, reason: str) -> None:
    choice = recorded(passed_over, offer("b"))
    assert choice.account_id == "b"
    assert choice.refused == {reason: 1}


@pytest.mark.parametrize("headroom", [None, 0.5])
def test_an_account_that_has_a_little_left_or_was_never_seen_is_not_exhausted(
    headroom: float | None,
) -> None:
    assert chosen(offer("a", headroom=headroom)) == "a"


def test_the_choice_tells_the_candidates_in_their_order_and_why_they_were_passed_over() -> None:
    choice = recorded(offer("a", headroom=20.0), full("b", headroom=90.0), cooling("c"))
    assert choice == AccountChosen(
        account_id="a",
        policy="headroom",
        best=(
            Candidate(account_id="b", headroom=90.0, refused="no_free_lease"),
            Candidate(account_id="c", headroom=50.0, refused="cooldown"),
            Candidate(account_id="a", headroom=20.0, refused=None),
        ),
        refused={"no_free_lease": 1, "cooldown": 1},
    )


def test_the_choice_names_five_candidates_and_counts_all_that_were_passed_over() -> None:
    choice = recorded(*(cooling(name) for name in "abcdef"), offer("g"))
    assert [each.account_id for each in choice.best] == list("abcde")
    assert (choice.account_id, choice.refused) == ("g", {"cooldown": 6})


# ------------------------------------------------------------ why there is none


def refused(*offers: Offer, others: Any = ()) -> CodaraError:
    with pytest.raises(CodaraError) as raised:
        choose(offers, floor=5.0, provider="codex", now=NOW, others=others)
    return raised.value


def test_without_any_account_one_has_to_be_added() -> None:
    error = refused()
    assert isinstance(error, NoAccount)
    assert error.message.startswith("No codex account is registered.")


def test_when_all_wait_the_earliest_return_is_told() -> None:
    error = refused(cooling("a", LATER), cooling("b", SOON))
    assert isinstance(error, AllAccountsCooling)
    assert error.retry_after == 60
    assert "2 codex accounts: 2 cooling down, the first until 12:01 UTC" in error.message


def test_a_return_that_is_past_is_no_wait() -> None:
    assert refused(cooling("a", NOW - timedelta(hours=1))).retry_after == 0


def test_when_all_are_refused_only_an_operator_helps() -> None:
    error = refused(offer("a", condition=Condition("error")))
    assert isinstance(error, AccountRefused)
    assert error.retry_after is None
    assert "1 codex account: 1 refused by its provider" in error.message


def test_one_that_waits_among_others_that_are_refused_is_waited_for() -> None:
    error = refused(offer("a", condition=Condition("error")), cooling("b", SOON))
    assert isinstance(error, AllAccountsCooling)
    assert error.retry_after == 60


def test_when_a_ready_one_carries_as_much_as_it_may_it_is_soon_free_again() -> None:
    error = refused(cooling("a", LATER), full("b"))
    assert isinstance(error, NoFreeAccount)
    assert error.retry_after == 1.0


def test_one_that_waits_is_not_free_again_for_having_no_slot_left() -> None:
    full_and_cooling = attrs.evolve(cooling("a", SOON), lease=None)
    assert isinstance(refused(full_and_cooling), AllAccountsCooling)


def test_the_end_of_a_full_window_is_a_return_like_any_other() -> None:
    spent = offer("a", headroom=0.0, condition=Condition("exhausted", SOON))
    assert refused(spent, cooling("b", LATER)).retry_after == 60


def test_accounts_that_are_not_offered_count_as_well() -> None:
    error = refused(cooling("a", LATER), others=[Condition("exhausted", SOON)])
    assert error.retry_after == 60
    assert error.message.count("2 codex accounts") == 1


def test_one_that_is_not_offered_and_ready_makes_the_refusal_a_short_one() -> None:
    error = refused(cooling("a", LATER), others=[Condition("ready")])
    assert isinstance(error, NoFreeAccount)
    assert error.retry_after == 1.0
