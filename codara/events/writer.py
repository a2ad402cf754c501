"""Group commit: one thread that makes everything waiting durable in one transaction."""

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import attrs
from eventsourcing.persistence import StoredEvent

from codara.errors import CodaraError, LogDamaged, Overloaded, ShuttingDown, StorageFull
from codara.events.groups import Fate, Group
from codara.events.recorder import LogRecorder

BATCH_EVENTS = 1000
BATCH_BYTES = 1024 * 1024
WAITING_GROUPS = 10_000
WAITING_BYTES = 64 * 1024 * 1024
ROOM_BYTES = 1024 * 1024
"""A disk that was full counts as having room once this much more of it is free."""
CLOSE_SECONDS = 60.0
LINGER_SECONDS = 0.003
"""For so long a lingering group waits for another one to share its transaction with."""
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})

OnCommit = Callable[[int, Sequence[StoredEvent]], None]

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class _Job:
    group: Group
    size: int
    future: asyncio.Future[int]


@attrs.frozen
class _Trouble:
    """Why the last transaction failed, and how much of the disk was free then."""

    error: type[CodaraError]
    reason: str
    free: int


class Writer:
    """Writes groups in the order of `submit`; belongs to the event loop it is made in.

    `on_commit` is called on the loop with the last position of each transaction and its events in
    their order, before anybody goes on who awaits one of its futures.
    """

    def __init__(self, recorder: LogRecorder, folder: Path, on_commit: OnCommit):
        self._recorder = recorder
        self._folder = folder
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lingering: list[_Job] = []
        self._newest: dict[str, Group] = {}
        """The last group of every stream for which one is on its way."""
        self._waiting_groups = 0
        self._waiting_bytes = 0
        self._trouble: _Trouble | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, group: Group, *, linger: bool = False) -> asyncio.Future[int]:
        """Queues the group. The future holds its last position once that is durable.

        With `linger` it waits for the next group, for `LINGER_SECONDS` at most: one sync for two.

        It fails with VersionClash (this group alone), StorageFull or LogDamaged (nothing of the
        transaction was written). Raises Overloaded when too much is waiting, ShuttingDown after
        `close`. Cancelling the future does not cancel the write.
        """
        if self._closed:
            raise ShuttingDown("the log is closed")
        size = sum(len(stored.state) for stored in group.events)
        size += sum(len(part.box) for part in group.parts)
        if self._waiting_groups >= WAITING_GROUPS or self._waiting_bytes >= WAITING_BYTES:
            raise Overloaded(
                f"{self._waiting_groups:,} appends wait for the disk; try again in a moment",
                retry_after=1.0,
            )
        self._waiting_groups += 1
        self._waiting_bytes += size
        self._chain(group)
        future: asyncio.Future[int] = self._loop.create_future()
        self._lingering.append(_Job(group, size, future))
        if not linger:
            self._flush()
        elif len(self._lingering) == 1:
            self._loop.call_later(LINGER_SECONDS, self._flush)
        return future

    def healthy(self) -> str | None:
        """None, or why the last transaction failed, until one succeeds or the disk has room."""
        trouble = self._trouble
        if trouble is None:
            return None
        if trouble.error is StorageFull and _free(self._folder) >= trouble.free + ROOM_BYTES:
            return None
        return f"{trouble.error.code}: {trouble.reason}"

    async def close(self) -> None:
        """Writes what is queued and ends the thread."""
        if not self._closed:
            self._closed = True
            self._flush()
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    def _chain(self, group: Group) -> None:
        streams = {str(stored.originator_id) for stored in group.events}
        group.builds_on = [self._newest[each] for each in streams if each in self._newest]
        self._newest.update(dict.fromkeys(streams, group))

    def _unchain(self, batch: Sequence[_Job]) -> None:
        for group in (job.group for job in batch):
            group.builds_on = ()
            for stream in {str(stored.originator_id) for stored in group.events}:
                if self._newest.get(stream) is group:
                    del self._newest[stream]

    def _flush(self) -> None:
        for job in self._lingering:
            self._jobs.put(job)
        self._lingering.clear()

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._gather()
            if batch:
                self._tell(batch, self._write(batch))

    def _gather(self) -> tuple[list[_Job], bool]:
        """What waits right now, up to the bounds of one batch; False once `close` was called."""
        batch: list[_Job] = []
        events = size = 0
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            events += len(job.group.events)
            size += job.size
            if events >= BATCH_EVENTS or size >= BATCH_BYTES:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return batch, True
        return batch, False

    def _write(self, batch: Sequence[_Job]) -> Sequence[Fate] | _Trouble:
        try:
            fates = self._recorder.insert_groups([job.group for job in batch])
        except Exception as error:
            for job in batch:
                job.group.failed = True
            trouble = self._told(error)
            if self._trouble is None:
                logger.warning("the log takes no writes: %s", trouble.reason)
            self._trouble = trouble
            return trouble
        if self._trouble is not None:
            logger.warning("the log takes writes again")
            self._trouble = None
        return fates

    def _told(self, error: Exception) -> _Trouble:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in NO_ROOM:
            reason = (
                f"the disk of the log does not take more ({error}); make room on it, "
                "writes come back by themselves"
            )
            return _Trouble(StorageFull, reason, _free(self._folder))
        reason = f"the log cannot be written ({error}); check the disk and restore a backup"
        return _Trouble(LogDamaged, reason, 0)

    def _tell(self, batch: Sequence[_Job], outcome: Sequence[Fate] | _Trouble) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, batch, outcome)
        except RuntimeError:
            logger.warning("the event loop ended before the log was closed")

    def _settle(self, batch: Sequence[_Job], outcome: Sequence[Fate] | _Trouble) -> None:
        self._waiting_groups -= len(batch)
        self._waiting_bytes -= sum(job.size for job in batch)
        self._unchain(batch)
        if isinstance(outcome, _Trouble):
            for job in batch:
                if not job.future.done():
                    job.future.set_exception(outcome.error(outcome.reason, retry_after=1.0))
            return
        for job, fate in zip(batch, outcome, strict=True):
            if job.future.done():
                continue
            if isinstance(fate, int):
                job.future.set_result(fate)
            else:
                job.future.set_exception(fate)
        self._announce(batch, outcome)

    def _announce(self, batch: Sequence[_Job], fates: Sequence[Fate]) -> None:
        last, committed = 0, list[StoredEvent]()
        for job, fate in zip(batch, fates, strict=True):
            if isinstance(fate, int):
                last = max(last, fate)
                committed += job.group.events
        if committed:
            self._on_commit(last, committed)


def _free(folder: Path) -> int:
    try:
        room = os.statvfs(folder)
    except OSError:
        return 0
    return room.f_bavail * room.f_frsize
