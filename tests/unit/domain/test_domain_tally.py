"""The accounts of a provider, counted by their true state."""

from datetime import timedelta
from typing import Any

import pytest

from codara.domain.tally import Condition, Tally, clock_time, condition, tally
from codara.errors import AccountRefused, AllAccountsCooling, NoAccount, NoFreeAccount
from tests.event_examples import NOW

SOON = NOW + timedelta(minutes=5)
LATER = NOW + timedelta(hours=3)
TOMORROW = NOW + timedelta(days=1)


def counted(*conditions: Condition) -> Tally:
    return tally("codex", conditions)


# ------------------------------------------------------------ the state of one account


@pytest.mark.parametrize(
    ("status", "until", "full_until", "state"),
    [
        ("ready", None, None, Condition("ready")),
        ("ready", None, SOON, Condition("exhausted", SOON)),
        ("ready", None, NOW, Condition("ready")),
        ("cooldown", SOON, None, Condition("cooldown", SOON)),
        ("cooldown", NOW, None, Condition("ready")),
        ("cooldown", NOW, SOON, Condition("exhausted", SOON)),
        ("cooldown", SOON, LATER, Condition("exhausted", LATER)),
        ("cooldown", LATER, SOON, Condition("cooldown", LATER)),
        ("exhausted", SOON, LATER, Condition("exhausted", LATER)),
        ("error", None, SOON, Condition("error")),
        ("disabled", None, SOON, Condition("disabled")),
        ("removed", None, SOON, Condition("removed")),
        ("error", SOON, None, Condition("error")),
    ],
)
def test_an_account_is_in_the_state_that_keeps_it_longest(
    status: str, until: Any, full_until: Any, state: Condition
) -> None:
    assert condition(status, until, full_until, NOW) == state


# ------------------------------------------------------------ all of them


def test_the_accounts_are_counted_by_state_and_the_earliest_return_is_told() -> None:
    said = counted(Condition("exhausted", SOON), Condition("error")).said(NOW)
    assert said == "2 codex accounts: 1 exhausted until 12:05 UTC, 1 refused by its provider"


def test_of_several_that_wait_the_first_return_is_told() -> None:
    said = counted(Condition("cooldown", LATER), Condition("cooldown", SOON)).said(NOW)
    assert said == "2 codex accounts: 2 cooling down, the first until 12:05 UTC"


def test_one_that_was_removed_meanwhile_does_not_count() -> None:
    gone = counted(Condition("removed"))
    assert (gone.total, gone.said(NOW)) == (0, "no codex accounts")
    assert isinstance(gone.refusal(NOW), NoAccount)


def test_an_account_that_is_ready_is_no_refusal() -> None:
    assert counted(Condition("ready"), Condition("error")).refusal(NOW) is None


@pytest.mark.parametrize(
    ("conditions", "error", "retry_after", "for_an_operator"),
    [
        ([], NoAccount, None, True),
        ([Condition("error")], AccountRefused, None, True),
        ([Condition("expired"), Condition("disabled")], AccountRefused, None, True),
        ([Condition("error"), Condition("cooldown", SOON)], AllAccountsCooling, 300, False),
        (
            [Condition("exhausted", LATER), Condition("cooldown", SOON)],
            AllAccountsCooling,
            300,
            False,
        ),
        ([Condition("busy"), Condition("cooldown", SOON)], NoFreeAccount, 1, False),
        ([Condition("tried"), Condition("error")], AllAccountsCooling, None, False),
    ],
)
def test_each_cause_is_an_error_of_its_own(
    conditions: list[Condition], error: type, retry_after: float | None, for_an_operator: bool
) -> None:
    known = counted(*conditions)
    refusal = known.refusal(NOW)
    assert type(refusal) is error
    assert refusal is not None
    assert refusal.retry_after == retry_after
    assert known.is_for_an_operator is for_an_operator


def test_the_message_tells_the_states_and_never_sends_to_wait_for_an_operator() -> None:
    refusal = counted(Condition("error"), Condition("error")).refusal(NOW)
    assert refusal is not None
    assert refusal.message == (
        "No codex account can be used (2 codex accounts: 2 refused by their provider). "
        "Only an operator can change that."
    )


# ------------------------------------------------------------ times


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (SOON, "12:05 UTC"),
        (SOON + timedelta(seconds=7), "12:05:07 UTC"),
        (SOON + timedelta(microseconds=1), "12:05:01 UTC"),
        (TOMORROW, "2026-03-02 12:00 UTC"),
    ],
)
def test_a_time_is_told_in_utc_and_never_too_early(moment: Any, said: str) -> None:
    assert clock_time(moment, NOW) == said
