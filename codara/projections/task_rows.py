"""Rows of tasks: what a client sees of each, made from its columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

from codara.events.vocabulary import FileStatus, SnapshotGap, TaskStatus, TextEncoding, ThreadKind
from codara.projections.engine.base import ReadableLog, Timestamp
from codara.projections.engine.queries import Row, open_text

COLUMNS = """
task_id, session_id, workspace_id, user_id, request_id, trace_id, provider, model, account_id,
status, code, cause, thread, backend_id, jailed, tool_ran, created_at, started_at, ended_at, usage,
timings, baseline, final, changed, added_lines, deleted_lines, diff_truncated, partial, files,
manual, opened, diff_position, end_position, position
"""
"""The columns of a task; the last ones say at which positions in the log its texts are."""


_ILL = frozenset({"failed", "cancelled"})


@attrs.frozen(kw_only=True)
class UsageRow:
    """The tokens that a task took. `input` includes `cached`, `output` includes `reasoning`."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    raw: Mapping[str, Any]
    """The agent's own reports, in its own words: `{"reports": [...], "left_out": count}`."""

    @classmethod
    def of(cls, text: str) -> "UsageRow":
        """Makes it from the column's JSON."""
        told = orjson.loads(text)
        return cls(
            input=told["input"],
            cached=told["cached"],
            cache_write=told["cache_write"],
            output=told["output"],
            reasoning=told["reasoning"],
            raw=told["raw"],
        )


@attrs.frozen(kw_only=True)
class FileRow:
    """A path that a task changed."""

    path: str
    status: FileStatus
    old_path: str | None
    path_b64: str | None
    """The true bytes, in base64, of a path that is not UTF-8."""
    old_path_b64: str | None
    added: int
    """The number of lines added."""
    deleted: int
    """The number of lines deleted."""
    binary: bool
    encoding: TextEncoding | None
    """Whether its changed lines are UTF-8; None if it is binary, or where that is not known."""

    @classmethod
    def of(cls, told: Row) -> "FileRow":
        """Makes it from the event's JSON."""
        return cls(
            path=told["path"],
            status=told["status"],
            old_path=told["old_path"],
            path_b64=told["path_b64"],
            old_path_b64=told.get("old_path_b64"),
            added=told["added"],
            deleted=told["deleted"],
            binary=told["binary"],
            encoding=told.get("encoding"),
        )


@attrs.frozen(kw_only=True)
class TaskRow:
    """A task as a listing shows it: without its texts, diff and actions."""

    task_id: str
    session_id: str
    workspace_id: str
    user_id: str
    request_id: str
    trace_id: str
    """The trace of the request that started it."""
    provider: str
    model: str
    account_id: str | None
    """The account on which it ran last."""
    status: TaskStatus
    dirty: bool
    """Whether it had started and did not end well: it may have left half of something behind."""
    code: str | None
    """The code of the error with which it failed."""
    cause: str | None
    """Why it failed (a `FailureCause`, or an error's code) or was cancelled (a `CancelCause`)."""
    thread: ThreadKind | None
    backend_id: str | None
    """The agent's own id of the thread."""
    jailed: bool | None
    tool_ran: bool | None
    created_at: Timestamp
    started_at: Timestamp | None
    ended_at: Timestamp | None
    usage: UsageRow | None
    timings: Mapping[str, float]
    """Milliseconds by phase."""
    baseline: str | None
    """The id of the workspace's tree before the task."""
    final: str | None
    """The id of the workspace's tree after the task."""
    changed: int | None
    """The number of files that differ."""
    added_lines: int | None
    deleted_lines: int | None
    diff_truncated: bool | None
    partial: tuple[SnapshotGap, ...]
    position: int
    """The log position of the last event folded into it."""
    cost: float | None
    """Always None so far: costs are not known yet."""
    modified_files: tuple[str, ...] | None
    """The paths that changed, sorted; None if they are too many for a listing."""
    modified_files_b64: tuple[str | None, ...] | None
    """For each of them its bytes in base64, or null if it is UTF-8; empty if all are."""
    diff: str | None
    """The unified diff; None in a listing."""
    actions: tuple[Mapping[str, Any], ...] | None
    """Changes that were proposed or made; None in a listing."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "TaskRow":
        """Makes a task from its columns; `log` opens the sealed ones."""
        return TaskRow(
            task_id=row["task_id"],
            session_id=row["session_id"],
            workspace_id=row["workspace_id"],
            user_id=row["user_id"],
            request_id=row["request_id"],
            trace_id=row["trace_id"],
            provider=row["provider"],
            model=row["model"],
            account_id=row["account_id"],
            status=row["status"],
            dirty=row["status"] in _ILL and row["started_at"] is not None,
            code=row["code"],
            cause=row["cause"],
            thread=row["thread"],
            backend_id=row["backend_id"],
            jailed=_flag(row["jailed"]),
            tool_ran=_flag(row["tool_ran"]),
            created_at=row["created_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            usage=None if row["usage"] is None else UsageRow.of(row["usage"]),
            timings={} if row["timings"] is None else orjson.loads(row["timings"]),
            baseline=row["baseline"],
            final=row["final"],
            changed=row["changed"],
            added_lines=row["added_lines"],
            deleted_lines=row["deleted_lines"],
            diff_truncated=_flag(row["diff_truncated"]),
            partial=() if row["partial"] is None else tuple(orjson.loads(row["partial"])),
            position=row["position"],
            cost=None,
            **_modified(row, log),
            diff=None,
            actions=None,
        )


def modified(files: Iterable[FileRow] | None) -> dict[str, Any]:
    """Returns a task's fields for the paths of changed files; None for files that are not known."""
    if files is None:
        return {"modified_files": None, "modified_files_b64": None}
    paths = sorted((file.path, file.path_b64 or "") for file in files)
    encoded = tuple(each or None for _, each in paths)
    return {
        "modified_files": tuple(path for path, _ in paths),
        "modified_files_b64": encoded if any(encoded) else (),
    }


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)


def _modified(row: Row, log: ReadableLog) -> dict[str, Any]:
    """Returns the paths that changed; None before there is a diff, and if they are not stored."""
    if row["changed"] is None:
        return modified(None)
    files = open_text(log, row["files"])
    if not files:
        return modified(None if row["changed"] else ())
    return modified(FileRow.of(each) for each in files)
