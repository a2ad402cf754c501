"""Headroom: how much of an account's quota is left, by the windows its provider reported."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from codara.projections.account_rows import WindowRow, time_of, windows_of
from codara.projections.engine.queries import Row

UNTOLD = timedelta(hours=1)
"""How long a window counts if the provider did not say when it ends."""


def headroom_of(row: Row, now: datetime) -> float | None:
    """Returns what `headroom` says of an account, by its columns."""
    windows, seen_at = windows_of(row["windows"]), time_of(row["quota_at"])
    if windows is None or seen_at is None:
        return None
    return headroom(windows, seen_at, now)


def headroom(windows: Sequence[WindowRow], seen_at: datetime, now: datetime) -> float | None:
    """Returns the percent left in the fullest window; a window that has ended is empty again.

    None if the provider gave no percentage.
    """
    told = [(each.used_percent, each) for each in windows if each.used_percent is not None]
    if not told:
        return None
    return 100.0 - max((used for used, each in told if _end(each, seen_at) > now), default=0.0)


def _end(window: WindowRow, seen_at: datetime) -> datetime:
    if window.resets_at is not None:
        return datetime.fromisoformat(window.resets_at)
    return seen_at + (UNTOLD if window.minutes is None else timedelta(minutes=window.minutes))
