"""Quota and rate limits as OpenAI's response headers tell them."""

from collections.abc import Mapping
from datetime import datetime

from codara.adapters.agents.session import ratelimits
from codara.application.ports.frames import WindowSeen

_WINDOWS = ("primary", "secondary")
_REFUSED = 429


def windows_of(headers: Mapping[str, str], now: datetime) -> tuple[WindowSeen, ...]:
    """The windows of a subscription, by ``x-codex-*`` (lower-case names), and those of a key."""
    found = []
    for name in _WINDOWS:
        used = ratelimits.number(headers.get(f"x-codex-{name}-used-percent"))
        if used is not None:
            minutes = ratelimits.number(headers.get(f"x-codex-{name}-window-minutes"))
            at = ratelimits.moment(headers.get(f"x-codex-{name}-reset-at"))
            found.append(WindowSeen(name, used, None if minutes is None else int(minutes), at))
    return (*found, *ratelimits.windows_of(headers, now))


def retry_at(status: int, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Returns when a refused request may be sent again, where the server said so."""
    return ratelimits.retry_after(headers, now) if status == _REFUSED else None
