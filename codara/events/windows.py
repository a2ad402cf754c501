"""What the windows of a quota say together: how much is left, and until when nothing is."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from codara.events.account import QuotaWindow

UNTOLD = timedelta(hours=1)
"""How long a window counts if the provider did not say when it ends."""

_FULL = 100.0


def headroom(windows: Sequence[QuotaWindow], seen_at: datetime, now: datetime) -> float | None:
    """Returns the percent left in the fullest window; a window that has ended is empty again.

    None if the provider gave no percentage.
    """
    told = [(each.used_percent, each) for each in windows if each.used_percent is not None]
    if not told:
        return None
    return 100.0 - max((used for used, each in told if _end(each, seen_at) > now), default=0.0)


def full_until(windows: Sequence[QuotaWindow], seen_at: datetime) -> datetime | None:
    """Returns when the last of the full windows ends; None if no window is full."""
    full = (each for each in windows if (each.used_percent or 0.0) >= _FULL)
    return max((_end(each, seen_at) for each in full), default=None)


def _end(window: QuotaWindow, seen_at: datetime) -> datetime:
    if window.resets_at is not None:
        return window.resets_at
    return seen_at + (UNTOLD if window.minutes is None else timedelta(minutes=window.minutes))
