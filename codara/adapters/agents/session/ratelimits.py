"""Rate limits as response headers tell them, in the words that several providers share."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from codara.application.ports.frames import WindowSeen

_KINDS = ("requests", "tokens")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_LONGEST = timedelta(days=31)
_RESETS = ("", *(f"-{kind}" for kind in _KINDS))
_MILLISECONDS_FROM = 1e11
"""A Unix time above this counts milliseconds."""
_IN_SECONDS = re.compile(r'"(?:resets_in_seconds|retry_after)"\s*:\s*"?(\d{1,9}(?:\.\d+)?)')
_AT = re.compile(r'"resets_at"\s*:\s*"?(\d{1,13}(?:\.\d+)?)')
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


def come_back(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Returns when a refused request may be sent again, by all that headers can say of it.

    `retry-after-ms` and `retry-after` come first; else the end of the limits that are used up, or,
    where none says what is left, the latest end that is named.
    """
    milliseconds = number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return after(milliseconds / 1000, now)
    return retry_after(headers, now) or _reset(headers, now)


def told_back(body: str, now: datetime) -> datetime | None:
    """Returns when to come back, as the body of a refusal says it; None if it does not."""
    if found := _IN_SECONDS.search(body):
        return after(float(found[1]), now)
    found = _AT.search(body)
    return _epoch(float(found[1]), now) if found else None


def _reset(headers: Mapping[str, str], now: datetime) -> datetime | None:
    named = {kind: _end(headers.get(f"x-ratelimit-reset{kind}"), now) for kind in _RESETS}
    ends = {kind: end for kind, end in named.items() if end is not None}
    empty = [ends[kind] for kind in ends if _is_empty(headers.get(f"x-ratelimit-remaining{kind}"))]
    unsaid = [ends[kind] for kind in ends if f"x-ratelimit-remaining{kind}" not in headers]
    return max(empty or unsaid, default=None)


def _is_empty(left: str | None) -> bool:
    return number(left) == 0


def _end(text: str | None, now: datetime) -> datetime | None:
    """Reads a span, a number of seconds, or a Unix time in seconds or milliseconds."""
    plain = number(text)
    return span(text, now) if plain is None else _epoch(plain, now)


def _epoch(value: float, now: datetime) -> datetime | None:
    if value < _LONGEST.total_seconds():
        return after(value, now)
    seconds = value / 1000 if value > _MILLISECONDS_FROM else value
    at = moment(str(seconds))
    return None if at is None else min(at, now + _LONGEST)


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
    return value if 0 <= value < 1e14 else None
