"""How many tokens a user's turns took, added up from the tasks of a span of time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from codara.http.services import View
from codara.projections.task_rows import TaskRow

_PAGE = 200
_MOST_PAGES = 50

Usage = dict[str, Any]


async def usage_of(tasks: View, user_id: str, since: datetime, until: datetime) -> Usage:
    """Returns sums in all, by day (UTC) and by provider; `truncated` beyond 10,000 tasks."""
    found, truncated = await _all(tasks, user_id, since, until)
    return {
        "window": {"from": since, "to": until},
        "summary": _summary(found),
        "by_day": _groups(found, "date", lambda task: task.created_at[:10]),
        "by_provider": _groups(found, "provider", lambda task: task.provider),
        "truncated": truncated,
    }


async def _all(
    tasks: View, user_id: str, since: datetime, until: datetime
) -> tuple[list[TaskRow], bool]:
    found: list[TaskRow] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await tasks.list(
            limit=_PAGE, cursor=cursor, user_id=user_id, since=since, until=until
        )
        found.extend(page.items)
        cursor = page.cursor
        if not page.has_more:
            return found, False
    return found, True


def _groups(
    found: Sequence[TaskRow], name: str, of: Callable[[TaskRow], str]
) -> list[dict[str, Any]]:
    values = sorted({of(task) for task in found})
    return [
        {name: value} | _summary([task for task in found if of(task) == value]) for value in values
    ]


def _summary(found: Sequence[TaskRow]) -> dict[str, Any]:
    used = [task.usage for task in found if task.usage is not None]
    read = sum(usage.input for usage in used)
    cached = sum(usage.cached for usage in used)
    written = sum(usage.output for usage in used)
    return {
        "total_input_tokens": read,
        "total_output_tokens": written,
        "total_cache_hit_tokens": cached,
        "total_tokens": read + written,
        "cache_hit_rate": cached / read if read else 0.0,
        "total_requests": len(found),
    }
