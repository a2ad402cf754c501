"""Rate limits as response headers tell them, in the words that several providers share."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from codara.application.ports.frames import WindowSeen

_KINDS = ("requests", "tokens")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_LONGEST = timedelta(days=31)
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def windows_of(headers: Mapping[str, str], now: datetime) -> tuple[WindowSeen, ...]:
    """Returns the windows of the ``x-ratelimit-*`` headers (lower-case names) of OpenAI's API.

    A provider that speaks it sends limit, remaining and reset for requests and for tokens. One that
    does not say when a window ends is not believed: a full one would stay full for ever.
    """
    found = []
    for kind in _KINDS:
        limit, left, reset = (
            headers.get(f"x-ratelimit-{what}-{kind}") for what in ("limit", "remaining", "reset")
        )
        used, end = used_percent(limit, left), span(reset, now)
        if used is not None and end is not None:
            found.append(WindowSeen(kind, used, None, end))
    return tuple(found)


def used_percent(limit: str | None, left: str | None) -> float | None:
    """Returns how much of a limit is used up; None where the two numbers do not tell."""
    most, rest = number(limit), number(left)
    if most is None or rest is None or most <= 0:
        return None
    return round(100 * min(1.0, max(0.0, 1 - rest / most)), 3)


def span(text: str | None, now: datetime) -> datetime | None:
    """Returns the end of a time written like ``1m30s`` or ``20ms``; None if it is not."""
    parts = _SPAN.findall(text or "")
    if "".join(count + unit for count, unit in parts) != (text or "-"):
        return None
    return after(sum(float(count) * _SECONDS[unit] for count, unit in parts), now)


def after(seconds: float, now: datetime) -> datetime:
    """Returns the moment `seconds` from now, at most a month away: nobody waits for longer."""
    return now + timedelta(seconds=min(seconds, _LONGEST.total_seconds()))


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Returns when to come back within a month by ``retry-after``, seconds or a date (RFC 9110)."""
    text = headers.get("retry-after")
    seconds = number(text)
    if seconds is not None:
        return after(seconds, now)
    try:
        return min(parsedate_to_datetime(text or "").astimezone(UTC), now + _LONGEST)
    except (ValueError, TypeError, OverflowError):
        return None


def moment(text: str | None) -> datetime | None:
    """Reads Unix seconds as a moment; None if the text is not a number."""
    seconds = number(text)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def number(text: str | None) -> float | None:
    """Reads the finite number in a header, not below zero; None if it has no such number."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None
