"""How much of an account's quota is left, by the windows its provider last told of."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

UNTOLD = timedelta(hours=1)
"""How long a window is believed of which nobody said when it ends."""


def headroom(
    windows: Sequence[Mapping[str, Any]], seen_at: datetime, now: datetime
) -> float | None:
    """Percent left in the fullest window; a window that has ended is empty again.

    None where the provider told no percentage.
    """
    told = [window for window in windows if window["used_percent"] is not None]
    if not told:
        return None
    open_ = [window["used_percent"] for window in told if _end(window, seen_at) > now]
    return 100.0 - max(open_, default=0.0)


def _end(window: Mapping[str, Any], seen_at: datetime) -> datetime:
    if window["resets_at"] is not None:
        return datetime.fromisoformat(window["resets_at"])
    minutes = window["minutes"]
    return seen_at + (UNTOLD if minutes is None else timedelta(minutes=minutes))
