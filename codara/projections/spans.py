"""Spans of a turn: what took how long; every reading gives the same ones."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import orjson

from codara.events.vocabulary import TaskStatus
from codara.projections.engine.base import Timestamp, moment, moment_or_none
from codara.projections.engine.queries import Row


@attrs.frozen(kw_only=True)
class SpanRow:
    """A turn, one of its phases, or one thing that its agent did."""

    span_id: str
    """16 hexadecimal digits, the same at every reading."""
    parent_span_id: str | None
    """The turn's own span; None for the turn's span itself."""
    name: str
    start: Timestamp
    end: Timestamp | None
    """None while the turn has not ended."""
    attributes: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class TracedTurn:
    """A turn with the fields from which its spans are made."""

    task_id: str
    session_id: str
    workspace_id: str
    user_id: str
    provider: str
    model: str
    status: TaskStatus
    cause: str | None
    accounts: tuple[str, ...]
    """All accounts that were tried, in order."""
    created_at: Timestamp
    started_at: Timestamp | None
    ended_at: Timestamp | None
    timings: Mapping[str, float]
    """Milliseconds by phase."""

    @classmethod
    def of(cls, row: Row) -> "TracedTurn":
        """Makes a turn from a task's columns."""
        return cls(
            task_id=row["task_id"],
            session_id=row["session_id"],
            workspace_id=row["workspace_id"],
            user_id=row["user_id"],
            provider=row["provider"],
            model=row["model"],
            status=row["status"],
            cause=row["cause"],
            accounts=tuple((row["accounts"] or "").split()),
            created_at=row["created_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            timings={} if row["timings"] is None else orjson.loads(row["timings"]),
        )


@attrs.frozen
class Activity:
    """What the agent did, by the end of its turn; `erased`: it cannot be read any more."""

    deeds: tuple[Row, ...] = attrs.field(default=(), converter=tuple)
    left_out: int = 0
    erased: bool = False


@attrs.frozen
class _Stretch:
    """The turn, or a part of it."""

    name: str
    start: datetime
    end: datetime | None
    attributes: dict[str, Any] = attrs.field(factory=dict)


def of_turn(trace_id: str, turn: TracedTurn, activity: Activity) -> list[SpanRow]:
    """Returns the turn's root span, and a child for each phase and each thing the agent did.

    A turn that has not ended is a root without an end. Children lie within the root, in the order
    in which they began; what never finished ends with the turn. Phases are measured with a steady
    clock and deeds with the wall clock, so that neither is put inside the other.
    """
    begin, end = datetime.fromisoformat(turn.created_at), None
    pieces: list[_Stretch] = []
    if turn.ended_at is not None:
        end = max(begin, datetime.fromisoformat(turn.ended_at))
        every = [*_phases(turn, begin), *map(_deed, activity.deeds)]
        pieces = sorted((_within(begin, end, each) for each in every), key=lambda each: each.start)
    ids = [_span_id(trace_id, turn.task_id, number) for number in range(len(pieces) + 1)]
    root = _Stretch("turn", begin, end, _attributes(turn, activity))
    children = zip(ids[1:], pieces, strict=True)
    return [_span(ids[0], None, root), *(_span(each, ids[0], piece) for each, piece in children)]


def _span_id(trace_id: str, task_id: str, number: int) -> str:
    return hashlib.sha256(f"{trace_id}\0{task_id}\0{number}".encode()).hexdigest()[:16]


def _span(span_id: str, parent: str | None, piece: _Stretch) -> SpanRow:
    return SpanRow(
        span_id=span_id,
        parent_span_id=parent,
        name=piece.name,
        start=moment(piece.start),
        end=moment_or_none(piece.end),
        attributes=piece.attributes,
    )


def _attributes(turn: TracedTurn, activity: Activity) -> dict[str, Any]:
    return {
        "task_id": turn.task_id,
        "session_id": turn.session_id,
        "workspace_id": turn.workspace_id,
        "user_id": turn.user_id,
        "provider": turn.provider,
        "model": turn.model,
        "status": turn.status,
        "cause": turn.cause,
        "accounts": list(turn.accounts),
        "deeds_left_out": activity.left_out,
        "erased": activity.erased,
    }


def _phases(turn: TracedTurn, begin: datetime) -> list[_Stretch]:
    """Returns one phase after the other: the wait, the start, the agent, the finish."""
    took = {name: timedelta(milliseconds=each) for name, each in turn.timings.items()}
    phases: list[_Stretch] = []
    at = begin
    if "queue" in took:
        at += took["queue"]
        phases.append(_Stretch("queue", begin, at))
    if turn.started_at is None:
        return phases
    started = datetime.fromisoformat(turn.started_at)
    if "start" in took:
        phases.append(_Stretch("start", min(at, started), started))
    at = started
    for name in ("agent", "finish"):
        if name in took:
            phases.append(_Stretch(name, at, at + took[name], _first_delta(name, turn)))
            at += took[name]
    return phases


def _first_delta(phase: str, turn: TracedTurn) -> dict[str, Any]:
    """Returns after how many milliseconds the agent first said something, if it did."""
    first = turn.timings.get("first_delta")
    return {} if phase != "agent" or first is None else {"first_delta": first}


def _deed(deed: Row) -> _Stretch:
    begun = datetime.fromisoformat(deed["start"])
    finished = None if deed["end"] is None else datetime.fromisoformat(deed["end"])
    return _Stretch(deed["name"], begun, finished, deed["attributes"])


def _within(begin: datetime, end: datetime, piece: _Stretch) -> _Stretch:
    """Keeps a part within the turn: the wall clock may have been set while the turn ran."""
    start = min(max(piece.start, begin), end)
    return attrs.evolve(piece, start=start, end=min(max(piece.end or end, start), end))
