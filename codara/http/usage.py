"""How many tokens a user's turns took, added up from the days of a span of time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from codara.projections.usage import DayUsageRow, UsageQueries

Usage = dict[str, Any]


async def usage_of(asked: UsageQueries, user_id: str, since: datetime, until: datetime) -> Usage:
    """Returns sums in all, by day (UTC) and by provider; the day of `since` counts whole."""
    begin = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = await asked.of_user(user_id, begin, until)
    return {
        "window": {"from": begin, "to": until},
        "summary": _summary(found),
        "by_day": _groups(found, "date", lambda row: row.day),
        "by_provider": _groups(found, "provider", lambda row: row.provider),
        "truncated": False,
    }


def _groups(
    found: Sequence[DayUsageRow], name: str, of: Callable[[DayUsageRow], str]
) -> list[dict[str, Any]]:
    values = sorted({of(row) for row in found})
    return [
        {name: value} | _summary([row for row in found if of(row) == value]) for value in values
    ]


def _summary(found: Sequence[DayUsageRow]) -> dict[str, Any]:
    read = sum(row.input for row in found)
    cached = sum(row.cached for row in found)
    written = sum(row.output for row in found)
    return {
        "total_input_tokens": read,
        "total_output_tokens": written,
        "total_cache_hit_tokens": cached,
        "total_tokens": read + written,
        "cache_hit_rate": cached / read if read else 0.0,
        "total_requests": sum(row.requests for row in found),
    }
