"""Usage: the tokens that turns took, by user, provider, model and day."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Recorded
from codara.events.session import (
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    Usage,
)
from codara.projections.engine.base import Statement, Value, moment
from codara.projections.engine.queries import Reader, Row

MOST = 2**53
"""No count grows beyond this: whatever an agent says of its tokens, the read model goes on."""

_REQUESTED = """
INSERT INTO usage (opened, user_id, day, provider, model, requests, position)
VALUES (?, ?, ?, ?, ?, 1, ?)
ON CONFLICT (user_id, day, provider, model) DO UPDATE SET
    requests = requests + 1, position = excluded.position
"""
_OPENED = """
INSERT INTO open_turns (turn_id, opened)
SELECT ?, opened FROM usage WHERE user_id = ? AND day = ? AND provider = ? AND model = ?
"""
_SPENT = f"""
UPDATE usage SET input = min(input + ?, {MOST}), cached = min(cached + ?, {MOST}),
    cache_write = min(cache_write + ?, {MOST}), output = min(output + ?, {MOST}),
    reasoning = min(reasoning + ?, {MOST}), position = ?
WHERE opened = (SELECT opened FROM open_turns WHERE turn_id = ?)
"""  # noqa: S608
_ENDED = "DELETE FROM open_turns WHERE turn_id = ?"


class UsageProjection:
    """One row for each user, provider, model and day; a turn counts on the day it was requested."""

    name: ClassVar[str] = "usage"
    version: ClassVar[int] = 1
    topics: ClassVar[frozenset[str]] = frozenset(
        event.name for event in (TurnRequested, TurnCompleted, TurnFailed, TurnCancelled)
    )
    schema: ClassVar[str] = """
    CREATE TABLE usage (
        opened INTEGER PRIMARY KEY, user_id TEXT NOT NULL, day TEXT NOT NULL,
        provider TEXT NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL,
        input INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0,
        cache_write INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
        reasoning INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL,
        UNIQUE (user_id, day, provider, model)
    ) STRICT;
    CREATE TABLE open_turns (turn_id TEXT PRIMARY KEY, opened INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    """

    def apply(self, recorded: Recorded) -> Iterable[Statement]:
        event, position = recorded.event, recorded.position
        match event:
            case TurnRequested():
                day = day_of(recorded.metadata.at)
                key = (event.user_id, day, event.provider, event.model)
                yield _REQUESTED, (position, *key, position)
                yield _OPENED, (event.turn_id, *key)
            case TurnCompleted() | TurnFailed() | TurnCancelled():
                if event.end.usage is not None:
                    yield _SPENT, (*_tokens(event.end.usage), position, event.turn_id)
                yield _ENDED, (event.turn_id,)


def _tokens(usage: Usage) -> tuple[Value, ...]:
    counts = (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning)
    return tuple(min(max(count, 0), MOST) for count in counts)


def day_of(at: datetime) -> str:
    """Returns the day of a time, in UTC: `2026-03-01`."""
    return moment(at)[:10]


@attrs.frozen(kw_only=True)
class DayUsageRow:
    """What a user's turns took in one day with one provider, whatever the model.

    `input` includes `cached`, `output` includes `reasoning`.
    """

    day: str
    """As `day_of` writes it."""
    provider: str
    requests: int
    """The number of turns that were requested on that day, however they ended."""
    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int

    @classmethod
    def of(cls, row: Row) -> "DayUsageRow":
        """Makes it from its columns."""
        return cls(
            day=row["day"],
            provider=row["provider"],
            requests=row["requests"],
            input=row["input"],
            cached=row["cached"],
            cache_write=row["cache_write"],
            output=row["output"],
            reasoning=row["reasoning"],
        )


_COUNTS = ("requests", "input", "cached", "cache_write", "output", "reasoning")
_SUMS = ", ".join(f"CAST(min(total({name}), {MOST}) AS INTEGER) AS {name}" for name in _COUNTS)
_DAYS = f"""
SELECT day, provider, {_SUMS} FROM usage WHERE user_id = ? AND day BETWEEN ? AND ?
GROUP BY day, provider ORDER BY day, provider
"""  # noqa: S608


@attrs.frozen
class UsageQueries:
    """Queries for usage."""

    reader: Reader

    async def of_user(
        self, user_id: str, since: datetime, until: datetime
    ) -> Sequence[DayUsageRow]:
        """Returns what the user's turns took, the earliest day first.

        The days of `since` and `until` count whole.
        """
        days = (day_of(since), day_of(until))
        return [DayUsageRow.of(row) for row in await self.reader.rows(_DAYS, (user_id, *days))]
