"""Quota and rate limits as OpenAI's response headers tell them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from codara.application.ports.frames import WindowSeen

_WINDOWS = ("primary", "secondary")


def windows_of(headers: Mapping[str, str]) -> tuple[WindowSeen, ...]:
    """The windows of the ``x-codex-*`` headers (lower-case names); none where there are none."""
    found = []
    for name in _WINDOWS:
        used = _number(headers.get(f"x-codex-{name}-used-percent"))
        if used is not None:
            minutes = _number(headers.get(f"x-codex-{name}-window-minutes"))
            resets = _number(headers.get(f"x-codex-{name}-reset-at"))
            at = None if resets is None else datetime.fromtimestamp(resets, UTC)
            found.append(WindowSeen(name, used, None if minutes is None else int(minutes), at))
    return tuple(found)


def retry_at(status: int, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When a refused request may be sent again, where the server said so in seconds."""
    seconds = _number(headers.get("retry-after"))
    return None if status != 429 or seconds is None else now + timedelta(seconds=seconds)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
