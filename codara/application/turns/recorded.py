"""A turn that has ended, answered again from the log."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, TypeVar

import attrs
import orjson

from codara.application.ports.frames import Frame, TextDelta
from codara.application.turns import failures, long_text
from codara.application.turns.commands import Started, TurnResult
from codara.domain.conversation import ASIDE
from codara.domain.workspace import Workspace
from codara.errors import CodaraError, NotFound
from codara.events import streams
from codara.events.base import Event, Recorded
from codara.events.session import (
    BackendBound,
    SessionOpened,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
)
from codara.events.store.log import EventLog
from codara.events.workspace import DiffRecorded, FileChange

E = TypeVar("E", bound=Event)


@attrs.frozen(kw_only=True)
class RecordedHandle:
    """Answers like a live turn: one delta, then the end; nobody's leaving changes anything."""

    turn_id: str
    session_id: str
    workspace_id: str
    thread: str
    position: int
    ending: TurnResult | CodaraError
    replayed: bool = True

    async def __aenter__(self) -> "RecordedHandle":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def started(self) -> Started:
        """At once; raises the error the turn ended with."""
        if isinstance(self.ending, CodaraError):
            raise self.ending
        return Started(position=self.position, thread=self.thread)

    async def frames(self) -> AsyncIterator[Frame]:
        """The whole answer as one delta."""
        if isinstance(self.ending, TurnResult) and self.ending.text:
            yield TextDelta(self.ending.text)

    async def result(self) -> TurnResult:
        """Returns the completed turn; raises the error it ended with."""
        if isinstance(self.ending, CodaraError):
            raise self.ending
        return self.ending


@attrs.frozen(kw_only=True)
class _Record:
    """The facts of one turn."""

    place: Workspace
    opened: SessionOpened
    requested: TurnRequested
    started: TurnStarted | None
    bound: BackendBound | None
    ended: TurnCompleted | TurnFailed | TurnCancelled
    diff: DiffRecorded | None
    position: int
    first: bool
    """Whether it was its session's first turn."""

    @property
    def forked_from(self) -> str | None:
        if self.requested.fork:
            return self.requested.fork.turn_id
        return self.opened.forked_from if self.first else None

    @property
    def thread(self) -> str:
        if self.ended.end.lost_thread:
            return "fresh"
        return self.started.thread if self.started else "new"


async def recorded_turn(
    log: EventLog, place: Workspace, session_id: str, turn_id: str
) -> RecordedHandle:
    """Returns the turn as the log has it; NotFound if it has not ended."""
    record = await _record(log, place, session_id, turn_id)
    return RecordedHandle(
        turn_id=turn_id,
        session_id=session_id,
        workspace_id=place.workspace_id,
        thread=record.thread,
        position=record.position,
        ending=await _ending(log, record),
    )


async def _record(log: EventLog, place: Workspace, session_id: str, turn_id: str) -> _Record:
    told = await log.load(streams.session(session_id))
    facts = [each.event for each in told if getattr(each.event, "turn_id", None) == turn_id]
    opened = _last(SessionOpened, (each.event for each in told))
    requested = _last(TurnRequested, facts)
    ends = [each for each in told if _ends(each.event, turn_id)]
    if not ends or requested is None or opened is None:
        raise NotFound(f"Task {turn_id} has not ended.")
    ended: Any = ends[-1].event
    changes = await log.load(streams.workspace(place.workspace_id))
    of_turn = (each.event for each in changes if getattr(each.event, "turn_id", "") == turn_id)
    return _Record(
        place=place,
        opened=opened,
        requested=requested,
        started=_last(TurnStarted, facts),
        bound=_last(BackendBound, facts),
        ended=ended,
        diff=_last(DiffRecorded, of_turn),
        position=ends[-1].position,
        first=next(_requests(told)) == turn_id,
    )


def _requests(told: Iterable[Recorded]) -> Iterator[str]:
    """The turns of a session, in their order."""
    return (each.event.turn_id for each in told if isinstance(each.event, TurnRequested))


def _ends(event: Event, turn_id: str) -> bool:
    ending = isinstance(event, TurnCompleted | TurnFailed | TurnCancelled)
    return ending and getattr(event, "turn_id", None) == turn_id


def _last(kind: type[E], events: Iterable[Event]) -> E | None:
    found = [event for event in events if isinstance(event, kind)]
    return found[-1] if found else None


async def _ending(log: EventLog, record: _Record) -> TurnResult | CodaraError:
    match record.ended:
        case TurnCompleted() as completed:
            return await _result(log, record, completed)
        case TurnFailed() as failed:
            return failures.recorded_error(
                failed.code,
                failed.cause,
                failed.message,
                retry_after=failed.retry_after,
                retry_safe=not (failed.end.tool_ran or failed.end.changed),
            )
        case TurnCancelled() as cancelled:
            return failures.recorded_cancellation(cancelled.cause)


async def _result(log: EventLog, record: _Record, completed: TurnCompleted) -> TurnResult:
    diff, end, requested = record.diff, completed.end, record.requested
    return TurnResult(
        turn_id=completed.turn_id,
        session_id=completed.session_id,
        client_session_id=record.opened.client_session_id or None,
        workspace_id=record.place.workspace_id,
        workspace=record.place.label,
        provider=requested.provider,
        model=requested.model,
        backend_id=end.thread.backend_id,
        thread=record.thread,
        forked_from=record.forked_from,
        aside=record.opened.origin == ASIDE,
        position=record.position,
        text=await long_text.whole(log, completed.answer, completed.answer_payload),
        text_replaced=end.text_replaced,
        finish_reason=completed.finish_reason,
        files=await _files(log, diff) if diff else (),
        diff=await long_text.whole(log, diff.patch, diff.patch_payload) if diff else "",
        diff_bytes=await _bytes(log, diff) if diff else None,
        diff_truncated=diff.truncated if diff else False,
        partial=diff.partial if diff else (),
        actions=tuple(orjson.loads(await log.open_payload(end.actions)) if end.actions else ()),
        dirty=requested.dirty,
        jailed=record.started.jailed if record.started else True,
        usage=end.usage,
        timings=end.timings,
    )


async def _bytes(log: EventLog, diff: DiffRecorded) -> bytes | None:
    return None if diff.patch_bytes is None else await log.open_payload(diff.patch_bytes)


async def _files(log: EventLog, diff: DiffRecorded) -> tuple[FileChange, ...]:
    if diff.files_payload is None:
        return diff.files
    listed = orjson.loads(await log.open_payload(diff.files_payload))
    return tuple(FileChange(**each) for each in listed)
