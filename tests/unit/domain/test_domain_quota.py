"""What a provider reported of an account's quota, and whether a window is used up."""

from datetime import timedelta
from typing import Any

import pytest

from codara.domain import quota
from codara.domain.quota import Quota
from codara.events.account import QuotaWindow
from codara.events.windows import UNTOLD, full_until, headroom
from tests import event_examples
from tests.event_examples import NOW

SOON = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)


def window(used: float | None, **changes: Any) -> QuotaWindow:
    told: dict[str, Any] = {"name": "w", "minutes": None, "resets_at": None} | changes
    return QuotaWindow(used_percent=used, **told)


def test_the_last_report_is_what_is_known() -> None:
    first = event_examples.quota_observed(windows=(window(100.0),))
    known = quota.evolve(quota.evolve(quota.EMPTY, first), event_examples.quota_observed())
    assert known == Quota(windows=event_examples.quota_observed().windows)


@pytest.mark.parametrize(
    ("windows", "is_full"),
    [
        ((), False),
        ((window(99.9),), False),
        ((window(None),), False),
        ((window(100.0, resets_at=SOON),), True),
        ((window(100.0, resets_at=NOW),), False),
        ((window(100.0),), True),
        ((window(1.0), window(120.0, resets_at=LATER)), True),
    ],
)
def test_a_window_is_used_up_until_it_ends(windows: tuple[QuotaWindow, ...], is_full: bool) -> None:
    assert Quota(windows=windows).is_full(NOW) is is_full


def test_what_an_operator_has_forgotten_is_full_no_more() -> None:
    [forgotten] = quota.forget("acc_1")
    full = Quota(windows=(window(100.0),))
    assert not quota.evolve(full, forgotten).is_full(NOW)


def test_an_account_waits_for_the_last_of_its_full_windows() -> None:
    windows = [
        window(100.0, resets_at=SOON),
        window(100.0, minutes=30),
        window(99.0, resets_at=LATER),
    ]
    assert full_until(windows, NOW) == NOW + timedelta(minutes=30)
    assert full_until([*windows, window(100.0)], NOW) == NOW + UNTOLD
    assert full_until([window(99.0), window(None)], NOW) is None


def test_the_fullest_window_says_how_much_is_left() -> None:
    windows = [window(70.0, resets_at=LATER), window(100.0, resets_at=SOON)]
    assert headroom(windows, NOW, NOW) == 0.0
    assert headroom(windows, NOW, SOON) == 30.0
    assert headroom([window(None)], NOW, NOW) is None
