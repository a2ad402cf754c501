"""Traces: the turns with one W3C trace id, as spans that are made on reading."""

from typing import ClassVar

import attrs
import orjson

from codara.events.session import TurnCancelled, TurnCompleted, TurnFailed
from codara.projections import spans
from codara.projections.engine.base import ReadableLog
from codara.projections.engine.queries import Reader, event_at, payload

_ENDS = TurnCompleted | TurnFailed | TurnCancelled
_TURNS = """
SELECT task_id, session_id, workspace_id, user_id, provider, model, accounts, status, cause,
    created_at, started_at, ended_at, timings, end_position, count(*) OVER () AS turns
FROM tasks WHERE trace_id = ? ORDER BY opened DESC LIMIT ?
"""


@attrs.frozen(kw_only=True)
class TraceRow:
    """The spans of one trace's turns, those of the oldest turn first."""

    trace_id: str
    spans: tuple[spans.SpanRow, ...]
    turns_left_out: int
    """The number of older turns that are left out."""


@attrs.frozen
class Traces:
    """Queries for traces; `reader` is that of the tasks, which know their trace."""

    MOST_TURNS: ClassVar[int] = 50

    reader: Reader
    log: ReadableLog

    async def get(self, trace_id: str) -> TraceRow | None:
        """Returns the spans of the trace's newest turns; None if no turn belongs to it.

        If a user's data key is destroyed, only those spans are left that need nothing private.
        """
        rows = await self.reader.rows(_TURNS, (trace_id, self.MOST_TURNS))
        if not rows:
            return None
        told: list[spans.SpanRow] = []
        for row in reversed(rows):
            activity = await self._activity(row["end_position"])
            told += spans.of_turn(trace_id, spans.TracedTurn.of(row), activity)
        left_out = rows[0]["turns"] - len(rows)
        return TraceRow(trace_id=trace_id, spans=tuple(told), turns_left_out=left_out)

    async def _activity(self, end_position: int | None) -> spans.Activity:
        end = await event_at(self.log, end_position)
        ref = end.end.activity if isinstance(end, _ENDS) else None
        if ref is None:
            return spans.Activity()
        stored = await payload(self.log, ref)
        if stored is None:
            return spans.Activity(erased=True)
        return spans.Activity(**orjson.loads(stored))
