"""Group commit: one thread that makes everything waiting durable in one transaction."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import attrs
from eventsourcing.persistence import StoredEvent

from codara.errors import CodaraError, LogDamaged, Overloaded, ShuttingDown
from codara.events.store import trouble
from codara.events.store.groups import Fate, Group
from codara.events.store.recorder import LogRecorder
from codara.events.store.trouble import Trouble

BATCH_EVENTS = 1000
BATCH_BYTES = 1024 * 1024
WAITING_GROUPS = 10_000
WAITING_BYTES = 64 * 1024 * 1024
CLOSE_SECONDS = 60.0
LINGER_SECONDS = 0.003
"""For so long a lingering group waits for another one to share its transaction with."""
REOPEN_SECONDS = 1.0
"""A disk that fails is given this long before the log's files are opened again."""

OnCommit = Callable[[int, Sequence[StoredEvent]], None]
Reopen = Callable[[], None]

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class _Job:
    group: Group
    size: int
    future: asyncio.Future[int]


class Writer:
    """Writes groups in the order of `submit`; belongs to the event loop it is made in.

    `on_commit` is called on the loop with the last position of each transaction and its events in
    their order, before anybody goes on who awaits one of its futures. `reopen` is called in the
    writing thread when the disk has failed: it opens the log's files again and checks them, and
    raises LogDamaged if they are not what was written, anything else if the disk still fails.
    """

    def __init__(self, recorder: LogRecorder, folder: Path, on_commit: OnCommit, reopen: Reopen):
        self._recorder = recorder
        self._folder = folder
        self._on_commit = on_commit
        self._reopen = reopen
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | Exception | None] = SimpleQueue()
        self._lingering: list[_Job] = []
        self._newest: dict[str, Group] = {}
        """The last group of every stream for which one is on its way."""
        self._waiting_groups = 0
        self._waiting_bytes = 0
        self._trouble: Trouble | None = None
        self._try_again = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, group: Group, *, linger: bool = False) -> asyncio.Future[int]:
        """Queues the group. The future holds its last position once that is durable.

        With `linger` it waits for the next group, for `LINGER_SECONDS` at most: one sync for two.

        It fails with VersionClash (this group alone), StorageFull, StorageFailed or LogDamaged
        (nothing of the transaction was written). Raises Overloaded when too much is waiting,
        ShuttingDown after `close`. Cancelling the future does not cancel the write.
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

    def suspect(self, error: Exception) -> None:
        """Has the log's files opened again and checked before anything more is written.

        For readers that find that the disk fails. After StoredDamage nothing more is written. May
        be called from any thread.
        """
        self._jobs.put(error)

    def trouble(self) -> CodaraError | None:
        """None, or why the last transaction failed, until one succeeds or the disk has room."""
        found = self._trouble
        return None if found is None or found.over(self._folder) else found.error()

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
            self._mend()
            batch, going_on = self._gather()
            if batch:
                self._tell(batch, self._write(batch))

    def _gather(self) -> tuple[list[_Job], bool]:
        """What waits right now, up to the bounds of one batch; False once `close` was called.

        While the disk fails it waits for no longer than until the files are tried again.
        """
        batch: list[_Job] = []
        events = size = 0
        try:
            job = self._jobs.get(timeout=self._patience())
        except Empty:
            return batch, True
        while job is not None:
            if isinstance(job, Exception):
                self._note(trouble.of_reader(job))
                return batch, True
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

    def _write(self, batch: Sequence[_Job]) -> Sequence[Fate] | Trouble:
        if self._trouble is not None and self._trouble.failing:
            return self._failed(batch, self._trouble)
        try:
            fates = self._recorder.insert_groups([job.group for job in batch])
        except Exception as error:
            return self._failed(batch, trouble.of_write(error, self._folder))
        self._well_again()
        return fates

    def _failed(self, batch: Sequence[_Job], found: Trouble) -> Trouble:
        for job in batch:
            job.group.failed = True
        self._note(found)
        return found

    def _note(self, found: Trouble) -> None:
        """Trouble that is there already stays as it is first told, but for what is worse."""
        if self._trouble is not None and self._trouble.final:
            return
        if self._trouble is None or found.final:
            logger.warning("the log takes no writes: %s", found.reason)
        if self._trouble is None or not self._trouble.failing or found.final:
            self._trouble = found
            self._try_again = time.monotonic() + REOPEN_SECONDS

    def _well_again(self) -> None:
        if self._trouble is not None:
            logger.warning("the log takes writes again")
            self._trouble = None

    def _patience(self) -> float | None:
        """Seconds until the log's files are to be opened again; None where they are not."""
        found = self._trouble
        if found is None or not found.failing or found.final:
            return None
        return max(0.0, self._try_again - time.monotonic())

    def _mend(self) -> None:
        """Opens the files again and checks them, once it is time to."""
        if self._patience() != 0.0:
            return
        try:
            self._reopen()
        except LogDamaged as damaged:
            self._note(trouble.stopped(damaged.message))
        except Exception as error:
            logger.info("the log's files cannot be opened yet: %s", error)
            self._try_again = time.monotonic() + REOPEN_SECONDS
        else:
            self._well_again()

    def _tell(self, batch: Sequence[_Job], outcome: Sequence[Fate] | Trouble) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, batch, outcome)
        except RuntimeError:
            logger.warning("the event loop ended before the log was closed")

    def _settle(self, batch: Sequence[_Job], outcome: Sequence[Fate] | Trouble) -> None:
        self._waiting_groups -= len(batch)
        self._waiting_bytes -= sum(job.size for job in batch)
        self._unchain(batch)
        if isinstance(outcome, Trouble):
            for job in batch:
                if not job.future.done():
                    job.future.set_exception(outcome.error())
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
