"""A task with everything that is known of it; texts and lists are read from the log."""

from typing import Any

import attrs
import orjson

from codara.events.base import PayloadRef, Sealed
from codara.events.readable import in_base64
from codara.events.session import TurnCancelled, TurnCompleted, TurnFailed, TurnRequested
from codara.events.vocabulary import FinishReason
from codara.events.workspace import DiffRecorded
from codara.projections.engine.base import NOT_YET, NotYet, ReadableLog
from codara.projections.engine.queries import Row, event_at, payload
from codara.projections.task_rows import FileRow, TaskRow, modified


@attrs.frozen(kw_only=True)
class OwnTask(TaskRow):
    """A task with its texts, diff, files and actions; None for what cannot be opened any more."""

    prompt: str | None = None
    instructions: str | None = None
    images: tuple[str, ...] = ()
    """The media type of each picture that the agent was shown."""
    manual: bool
    files: tuple[FileRow, ...] | NotYet | None = NOT_YET
    """`NOT_YET` until the task has left a diff."""
    diff_b64: str | NotYet | None = NOT_YET
    """The diff's bytes in base64, if they are not UTF-8; `NOT_YET` as long as `files` is."""
    answer: str | NotYet | None = NOT_YET
    """This and the following fields are `NOT_YET` before the task's end."""
    text_replaced: bool | NotYet = NOT_YET
    """Whether U+FFFD stands for something that the agent wrote and that is no text."""
    finish_reason: FinishReason | NotYet | None = NOT_YET
    """None if the task did not complete."""
    message: str | NotYet | None = NOT_YET
    """The message of its error; None if it did not fail."""
    retry_after: float | NotYet | None = NOT_YET
    """Seconds until a retry can succeed."""


@attrs.frozen(kw_only=True)
class TaskDetails(OwnTask):
    """The same as operators see it."""

    detail: str | NotYet | None = NOT_YET
    """What the agent or its vendor said, if the task failed; users do not see it."""

    def own(self) -> OwnTask:
        """Returns what its user sees of it."""
        return OwnTask(**{field.name: getattr(self, field.name) for field in attrs.fields(OwnTask)})


async def details(row: Row, log: ReadableLog) -> TaskDetails:
    """Makes a task from its columns and from the events that they point to in the log."""
    known = attrs.asdict(TaskRow.of(row, log), recurse=False) | {"manual": bool(row["manual"])}
    request = await event_at(log, row["opened"])
    if isinstance(request, TurnRequested):
        known |= await _request(log, request)
    changed = await event_at(log, row["diff_position"])
    if isinstance(changed, DiffRecorded):
        known |= await _changes(log, changed)
    end = await event_at(log, row["end_position"])
    if isinstance(end, TurnCompleted | TurnFailed | TurnCancelled):
        known |= await _end(log, end)
    return TaskDetails(**known)


async def _request(log: ReadableLog, event: TurnRequested) -> dict[str, Any]:
    return {
        "prompt": await _text(log, event.prompt, event.prompt_payload),
        "instructions": await _text(log, event.instructions, event.instructions_payload),
        "images": tuple(picture.media_type for picture in event.images),
    }


async def _changes(log: ReadableLog, event: DiffRecorded) -> dict[str, Any]:
    files = await _files(log, event)
    return {
        "diff": await _text(log, event.patch, event.patch_payload),
        "diff_b64": await _base64(log, event.patch_bytes),
        "files": files,
        **modified(files),
    }


async def _files(log: ReadableLog, event: DiffRecorded) -> tuple[FileRow, ...] | None:
    told = _plain(log, event.files)
    if event.files_payload is not None:
        told = await _json(log, event.files_payload)
    return None if told is None else tuple(FileRow.of(each) for each in told)


async def _end(
    log: ReadableLog, event: TurnCompleted | TurnFailed | TurnCancelled
) -> dict[str, Any]:
    whole = event.answer_payload if isinstance(event, TurnCompleted) else None
    actions = () if event.end.actions is None else await _json(log, event.end.actions)
    return {
        "answer": await _text(log, event.answer, whole),
        "text_replaced": event.end.text_replaced,
        "finish_reason": event.finish_reason if isinstance(event, TurnCompleted) else None,
        "message": _plain(log, event.message) if isinstance(event, TurnFailed) else None,
        "detail": _plain(log, event.detail) if isinstance(event, TurnFailed) else None,
        "retry_after": event.retry_after if isinstance(event, TurnFailed) else None,
        "actions": None if actions is None else tuple(actions),
    }


async def _json(log: ReadableLog, ref: PayloadRef) -> Any:
    stored = await payload(log, ref)
    return None if stored is None else orjson.loads(stored)


async def _base64(log: ReadableLog, ref: PayloadRef | None) -> str | None:
    stored = None if ref is None else await payload(log, ref)
    return None if stored is None else in_base64(stored)


async def _text(log: ReadableLog, field: object, whole: PayloadRef | None) -> Any:
    if whole is None:
        return _plain(log, field)
    stored = await payload(log, whole)
    return None if stored is None else stored.decode(errors="replace")


def _plain(log: ReadableLog, field: object) -> Any:
    return log.open_value(field) if isinstance(field, Sealed) else field
