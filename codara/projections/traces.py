"""Traces: the turns that belong to one W3C trace id, as spans made on reading."""

from typing import ClassVar

import attrs
import orjson

from codara.events.session import TurnCancelled, TurnCompleted, TurnFailed
from codara.projections import spans
from codara.projections.base import ReadableLog
from codara.projections.queries import Reader, Row, event_at, from_json, payload

_ENDS = TurnCompleted | TurnFailed | TurnCancelled
_TURNS = """
SELECT task_id, session_id, workspace_id, user_id, provider, model, accounts, status, cause,
    created_at, started_at, ended_at, timings, end_position, count(*) OVER () AS turns
FROM tasks WHERE trace_id = ? ORDER BY opened DESC LIMIT ?
"""


@attrs.frozen
class Traces:
    """Asks for traces; `reader` is that of the tasks, which know the trace they belong to."""

    MOST_TURNS: ClassVar[int] = 50

    reader: Reader
    log: ReadableLog

    async def get(self, trace_id: str) -> Row | None:
        """The spans of the trace's newest turns, oldest first; None if no turn belongs to it.

        `turns_left_out` counts the older ones. Of a user whose data key is destroyed only those
        spans are left that need nothing private.
        """
        rows = await self.reader.rows(_TURNS, (trace_id, self.MOST_TURNS))
        if not rows:
            return None
        told: list[Row] = []
        for row in reversed(rows):
            turn = from_json(row, {"timings": {}})
            told += spans.of_turn(trace_id, turn, await self._activity(row["end_position"]))
        left_out = rows[0]["turns"] - len(rows)
        return {"trace_id": trace_id, "spans": told, "turns_left_out": left_out}

    async def _activity(self, end_position: int | None) -> spans.Activity:
        end = await event_at(self.log, end_position)
        ref = end.end.activity if isinstance(end, _ENDS) else None
        if ref is None:
            return spans.Activity()
        stored = await payload(self.log, ref)
        if stored is None:
            return spans.Activity(erased=True)
        return spans.Activity(**orjson.loads(stored))
