"""Quota and rate limits as Anthropic's response headers tell them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from codara.adapters.agents.session import ratelimits
from codara.application.ports.frames import WindowSeen

_PREFIX = "anthropic-ratelimit"
_UNIFIED = f"{_PREFIX}-unified"
_WINDOWS = (("5h", "five_hour", 300), ("7d", "seven_day", 10_080))
_KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
_REFUSED = 429


def windows_of(headers: Mapping[str, str]) -> tuple[WindowSeen, ...]:
    """Returns the windows of a subscription and those of a key (lower-case names)."""
    return (*_of_subscription(headers), *_of_key(headers))


def retry_at(status: int, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Returns when a refused request may be sent again, where the server said so."""
    if status != _REFUSED:
        return None
    resets = ratelimits.moment(headers.get(f"{_UNIFIED}-reset"))
    return resets or ratelimits.retry_after(headers, now)


def used_up(status: int, headers: Mapping[str, str]) -> bool:
    """Says whether a subscription's window is what refused the request."""
    return status == _REFUSED and headers.get(f"{_UNIFIED}-status") == "rejected"


def _of_subscription(headers: Mapping[str, str]) -> list[WindowSeen]:
    found = []
    for short, name, minutes in _WINDOWS:
        used = ratelimits.number(headers.get(f"{_UNIFIED}-{short}-utilization"))
        if used is not None:
            at = ratelimits.moment(headers.get(f"{_UNIFIED}-{short}-reset"))
            found.append(WindowSeen(name, round(used * 100, 3), minutes, at))
    return found


def _of_key(headers: Mapping[str, str]) -> list[WindowSeen]:
    """One that does not say when it ends is not believed: a full one would stay full for ever."""
    found = []
    for kind in _KINDS:
        limit, left, reset = (
            headers.get(f"{_PREFIX}-{kind}-{what}") for what in ("limit", "remaining", "reset")
        )
        used, end = ratelimits.used_percent(limit, left), _written(reset)
        if used is not None and end is not None:
            found.append(WindowSeen(kind, used, None, end))
    return found


def _written(text: str | None) -> datetime | None:
    """Reads a moment as RFC 3339 writes it; None if the text is not one."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
