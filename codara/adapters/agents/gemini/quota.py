"""What is left of an account's quota, as Code Assist tells it to a login."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codara.adapters.agents.session.lines import message_of
from codara.application.ports.frames import WindowSeen


def windows_of(body: str) -> tuple[WindowSeen, ...]:
    """Returns a window for each model; none while the body is no whole answer."""
    told = (message_of(body.encode("utf-8", "replace")) or {}).get("buckets")
    buckets = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return tuple(filter(None, map(_window, buckets)))


def _window(bucket: Mapping[str, Any]) -> WindowSeen | None:
    left, model = bucket.get("remainingFraction"), bucket.get("modelId")
    if not isinstance(left, int | float) or not isinstance(model, str):
        return None
    return WindowSeen(model, round(100 - left * 100, 3), None, _moment(bucket.get("resetTime")))


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
