"""Headroom: how much of an account's quota is left, by the windows in its row."""

from datetime import datetime

from codara.events.account import QuotaWindow
from codara.events.windows import headroom
from codara.projections.account_rows import WindowRow, time_of, windows_of
from codara.projections.engine.queries import Row


def headroom_of(row: Row, now: datetime) -> float | None:
    """Returns the percent left in the fullest window; None if no percentage is known."""
    windows, seen_at = windows_of(row["windows"]), time_of(row["quota_at"])
    if windows is None or seen_at is None:
        return None
    return headroom([_window(each) for each in windows], seen_at, now)


def _window(row: WindowRow) -> QuotaWindow:
    return QuotaWindow(
        name=row.name,
        used_percent=row.used_percent,
        minutes=row.minutes,
        resets_at=time_of(row.resets_at),
    )
