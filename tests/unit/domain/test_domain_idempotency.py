"""An idempotency key: it stands for one turn of one body."""

import pytest
from given_when_then import KEY, OTHER_TURN, folded

from codara.domain import idempotency
from codara.domain.idempotency import Idempotency, earlier_turn
from codara.errors import IdempotencyConflict
from codara.events.base import Event
from tests import event_examples

BODY, ANOTHER = "b" * 64, "c" * 64


def state(*events: Event) -> Idempotency:
    found: Idempotency = folded(KEY, events)
    return found


CLAIMED = state(event_examples.idempotency_claimed())


@pytest.mark.parametrize("body", [BODY, ANOTHER, ""])
def test_a_new_key_stands_for_no_turn(body: str) -> None:
    assert earlier_turn(idempotency.EMPTY, body) is None


def test_a_claimed_key_stands_for_its_turn() -> None:
    assert (
        Idempotency(
            turn_id=event_examples.TURN, session_id=event_examples.SESSION, body_digest=BODY
        )
        == CLAIMED
    )
    assert earlier_turn(CLAIMED, BODY) == event_examples.TURN


def test_a_claimed_key_is_of_no_use_for_another_body() -> None:
    with pytest.raises(IdempotencyConflict) as refused:
        earlier_turn(CLAIMED, ANOTHER)
    assert (refused.value.param, refused.value.retry_safe) == ("Idempotency-Key", False)


def test_a_freed_key_may_stand_for_another_turn_of_any_body() -> None:
    freed = state(event_examples.idempotency_claimed(), event_examples.idempotency_freed())
    assert freed == idempotency.EMPTY
    assert earlier_turn(freed, ANOTHER) is None


def test_only_the_turn_that_it_stands_for_frees_a_key() -> None:
    late = event_examples.idempotency_freed(turn_id=OTHER_TURN)
    assert idempotency.evolve(CLAIMED, late) == CLAIMED


def test_what_is_no_fact_of_a_key_is_passed_over() -> None:
    assert idempotency.evolve(CLAIMED, event_examples.turn_started()) == CLAIMED
