"""Rows of tasks: what a client gets to see of each, made of its columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

from codara.events.vocabulary import FileStatus, SnapshotGap, TaskStatus, ThreadKind
from codara.projections.engine.base import ReadableLog, Timestamp
from codara.projections.engine.queries import Row, open_text

COLUMNS = """
task_id, session_id, workspace_id, user_id, request_id, trace_id, provider, model, account_id,
status, code, cause, thread, backend_id, jailed, tool_ran, created_at, started_at, ended_at, usage,
timings, baseline, final, changed, added_lines, deleted_lines, diff_truncated, partial, files,
manual, opened, diff_position, end_position, position
"""
"""What a task is made of; its texts stand in the log, at the positions that are named last."""


@attrs.frozen(kw_only=True)
class UsageRow:
    """The tokens that a task took. `input` includes `cached`, `output` includes `reasoning`."""

    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    raw: Mapping[str, Any]
    """What the agent itself said, in its own words."""

    @classmethod
    def of(cls, text: str) -> "UsageRow":
        """Makes it of the column's JSON."""
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
    """The true bytes of a path that is no UTF-8."""
    added: int
    """How many lines came."""
    deleted: int
    """How many lines went."""
    binary: bool

    @classmethod
    def of(cls, told: Row) -> "FileRow":
        """Makes it of what the log holds."""
        return cls(
            path=told["path"],
            status=told["status"],
            old_path=told["old_path"],
            path_b64=told["path_b64"],
            added=told["added"],
            deleted=told["deleted"],
            binary=told["binary"],
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
    """The trace of the request that it began with."""
    provider: str
    model: str
    account_id: str | None
    """The account that it ran on last."""
    status: TaskStatus
    code: str | None
    """The code of the error that it failed with."""
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
    """The id of the workspace's tree before it."""
    final: str | None
    """The id of the workspace's tree behind it."""
    changed: int | None
    """How many files differ."""
    added_lines: int | None
    deleted_lines: int | None
    diff_truncated: bool | None
    partial: tuple[SnapshotGap, ...]
    position: int
    """The position in the log of what was folded into it last."""
    cost: float | None
    """Nothing known of it, so far."""
    modified_files: tuple[str, ...] | None
    """The paths that changed, sorted; None where they are too many to stand in a listing."""
    diff: str | None
    """The unified diff; None in a listing."""
    actions: tuple[Mapping[str, Any], ...] | None
    """Changes that were proposed or made; None in a listing."""

    @classmethod
    def of(cls, row: Row, log: ReadableLog) -> "TaskRow":
        """Makes a task of its columns; `log` opens the sealed ones."""
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
            modified_files=_modified(row, log),
            diff=None,
            actions=None,
        )


def paths(files: Iterable[FileRow]) -> tuple[str, ...]:
    """Sorts the paths of changed files."""
    return tuple(sorted({file.path for file in files}))


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)


def _modified(row: Row, log: ReadableLog) -> tuple[str, ...] | None:
    """None before there is a diff, and where the column holds none of the files that changed."""
    if row["changed"] is None:
        return None
    files = open_text(log, row["files"])
    if not files:
        return None if row["changed"] else ()
    return paths(FileRow.of(each) for each in files)
