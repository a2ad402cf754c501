"""Quota and rate limits as Anthropic's response headers tell them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from codara.application.ports.frames import WindowSeen

_PREFIX = "anthropic-ratelimit-unified"
_WINDOWS = (("5h", "five_hour", 300), ("7d", "seven_day", 10_080))
_REFUSED = 429


def windows_of(headers: Mapping[str, str]) -> tuple[WindowSeen, ...]:
    """The windows of a subscription (lower-case names); none where there are none."""
    found = []
    for short, name, minutes in _WINDOWS:
        used = _number(headers.get(f"{_PREFIX}-{short}-utilization"))
        if used is not None:
            resets = _number(headers.get(f"{_PREFIX}-{short}-reset"))
            at = None if resets is None else datetime.fromtimestamp(resets, UTC)
            found.append(WindowSeen(name, round(used * 100, 3), minutes, at))
    return tuple(found)


def retry_at(status: int, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When a refused request may be sent again, where the server said so."""
    if status != _REFUSED:
        return None
    resets = _number(headers.get(f"{_PREFIX}-reset"))
    if resets is not None:
        return datetime.fromtimestamp(resets, UTC)
    seconds = _number(headers.get("retry-after"))
    return None if seconds is None else now + timedelta(seconds=seconds)


def used_up(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a subscription's window is what refused the request."""
    return status == _REFUSED and headers.get(f"{_PREFIX}-status") == "rejected"


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
