"""EventLog: the one door to the log."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from eventsourcing.persistence import StoredEvent

from codara.clock import Clock, utc_now
from codara.errors import CodaraError, NotFound, ShuttingDown
from codara.events import streams
from codara.events.base import Append, Cause, Metadata, PayloadRef, Recorded, Sealed
from codara.events.gateway import LogOpened
from codara.events.store.checker import Checker
from codara.events.store.groups import Group
from codara.events.store.keyring import KeyRing
from codara.events.store.lock import FileLock
from codara.events.store.mapper import EventMapper
from codara.events.store.opening import open_recorder
from codara.events.store.payloads import (
    PART_BYTES,
    SealedPayload,
    parts_of,
    seal_payload,
    unseal_payload,
)
from codara.events.store.proving import Prover
from codara.events.store.reader import LogReader, recorded
from codara.events.store.recorder import LogRecorder
from codara.events.store.seen import SeenEvent, seen_of
from codara.events.store.tail import Tail
from codara.events.store.writer import Writer
from codara.ids import NewId, new_id
from codara.offload import by_size

FORMAT = 1
SEALED_AT_ONCE = 16 * 1024
"""Bytes that are compressed and sealed in less time than a thread takes to be woken for them."""
ACTOR = "gateway"


class EventLog:
    """The facts, in the order in which they happened.

    It belongs to the event loop it was opened in: all methods are called there, none blocks it.
    """

    def __init__(
        self,
        path: Path,
        log_id: str,
        lock: FileLock,
        recorder: LogRecorder,
        keys: KeyRing,
        *,
        new_id: NewId,
        clock: Clock,
    ) -> None:
        """For `open` alone."""
        self.log_id = log_id
        self._lock = lock
        self._recorder = recorder
        self._keys = keys
        self._new_id = new_id
        self._clock = clock
        self._mapper = EventMapper(log_id, keys)
        self._loop = asyncio.get_running_loop()
        self._head = recorder.max_notification_id() or 0
        self._tail = Tail()
        self._moved = asyncio.Event()
        self._closed = False
        self._writer = Writer(recorder, path.parent, self._advance, self._reopen)
        self._streams = LogReader(path, self._mapper, self._writer.suspect)
        self._positions = LogReader(path, self._mapper, self._writer.suspect)
        self._checker = Checker(path, self._mapper, self._writer.suspect)
        self._prover = Prover(self._checker, self._writer.submit, self._writer.suspect)

    @classmethod
    async def open(
        cls,
        path: Path,
        keys: KeyRing,
        *,
        run_id: str | None = None,
        new_id: NewId = new_id,
        clock: Clock = utc_now,
        lock: FileLock | None = None,
    ) -> "EventLog":
        """Opens the log, or begins one whose first event is `log.opened`, correlated by `run_id`.

        Raises LogLocked while another process holds it, LogDamaged if the file is no log. A log
        whose first or last events are damaged is opened and takes no writes. `lock` is the
        log's own, if it is taken already; it is free again when the log is closed.
        """
        lock = lock or FileLock.beside(path)
        log_id, recorder, damage = await asyncio.to_thread(open_recorder, path, lock)
        log = cls(path, log_id or new_id("log"), lock, recorder, keys, new_id=new_id, clock=clock)
        if damage is not None:
            log._writer.suspect(damage)
        if not log_id:
            opened = LogOpened(log_id=log.log_id, format=FORMAT)
            cause = Cause(actor=ACTOR, correlation_id=run_id or log.log_id)
            try:
                await log.append([Append(streams.LOG, 0, [opened])], cause)
            except BaseException:
                await log.close()
                raise
        log._prover.start()
        return log

    def queue(
        self,
        appends: Sequence[Append],
        cause: Cause,
        payloads: Sequence[SealedPayload] = (),
        *,
        linger: bool = False,
    ) -> asyncio.Future[int]:
        """Encodes now and queues: all appends and payloads become one transaction, or none does.

        With `linger` the transaction waits some milliseconds for the next append to share it.

        The future holds the last position once it is durable, or fails with VersionClash,
        StorageFull, StorageFailed or LogDamaged. Raises at once EventTooLarge, Overloaded, or
        ShuttingDown after `close`.
        """
        at = self._clock()
        events = [
            self._mapper.to_stored(append.stream, version, event, self._envelope(cause, at))
            for append in appends
            for version, event in enumerate(append.events, append.expected + 1)
        ]
        parts = [part for payload in payloads if payload.box for part in parts_of(payload)]
        return self._writer.submit(Group(events, parts), linger=linger)

    async def append(
        self, appends: Sequence[Append], cause: Cause, payloads: Sequence[SealedPayload] = ()
    ) -> int:
        """Queues the appends and waits for them. Cancelling the wait does not stop the writing."""
        return await self.queue(appends, cause, payloads)

    async def load(self, stream: str, *, since: frozenset[str] = frozenset()) -> list[Recorded]:
        """The stream's events, from the last one named in `since` or else from its first."""
        return await self._streams.of_stream(stream, since)

    async def last(self, stream: str) -> Recorded | None:
        """Returns the stream's newest event, if there is one."""
        return await self._streams.last_of_stream(stream)

    async def read(
        self, after: int, *, limit: int = 500, until: int | None = None, sealed: bool = False
    ) -> list[Recorded]:
        """Returns the events behind position `after`, up to and with `until`.

        With `sealed`, private fields stay `Sealed` and no key is touched.
        """
        rows = self._tail.behind(after, limit=limit, until=until)
        if rows is not None:
            return [recorded(self._mapper, row, sealed=sealed) for row in rows]
        return await self._positions.by_position(after, limit=limit, until=until, sealed=sealed)

    def head(self) -> int:
        """Returns the last committed position."""
        return self._head

    def newest(self) -> SeenEvent:
        """Returns the last durable event, as a position and a digest."""
        return seen_of(self._recorder.newest())

    async def wait_past(self, position: int) -> None:
        """Returns once `head()` is beyond `position`; ShuttingDown if the log closes before."""
        while self._head <= position:
            if self._closed:
                raise ShuttingDown("the log is closed")
            await self._moved.wait()

    async def seal(self, subject: str, data: bytes) -> SealedPayload:
        """Compresses and seals under the subject's key; what is large in a worker thread.

        A payload of more than 256 KiB is written here and now, part by part, each in its own
        transaction; a smaller one is written with the append it is given to.
        """
        key_id, key = self._keys.sealing_key(subject)
        sealing = partial(seal_payload, self.log_id, self._new_id("pay"), key_id, key, data)
        payload = await by_size(sealing, size=len(data), most=SEALED_AT_ONCE)
        if len(payload.box) <= PART_BYTES:
            return payload
        for part in parts_of(payload):
            await self._writer.submit(Group((), [part]))
        return SealedPayload(payload.ref, b"")

    async def open_payload(self, ref: PayloadRef) -> bytes:
        """The plain bytes; NotFound once its key is destroyed, LogDamaged if it was altered."""
        key = self._keys.opening_key(ref.key_id)
        if key is None:
            raise NotFound(f"payload {ref.payload_id} was erased with its user's key")
        box = await self._streams.payload(ref)
        return await asyncio.to_thread(unseal_payload, self.log_id, ref, key, box)

    def open_value(self, sealed: Sealed) -> Any:
        """Returns the JSON value inside; None once its key is destroyed."""
        return self._mapper.open_value(sealed)

    def trouble(self) -> CodaraError | None:
        """Returns None, or the error with which writes are refused at present."""
        return self._writer.trouble()

    def damages(self) -> list[str]:
        """Returns what the check of the whole log has found to be damaged, one line for each."""
        return self._prover.damages()

    def checking(self) -> list[str]:
        """Returns how far the check of the whole log is, in one line; nothing once it is done."""
        return self._prover.progress()

    async def close(self) -> None:
        """Writes what is queued, then lets go of the file. Harmless when done twice."""
        self._closed = True
        await self._prover.close()
        await self._writer.close()
        self._wake()
        for reader in (self._positions, self._streams, self._checker):
            await reader.close()
        await asyncio.to_thread(self._recorder.datastore.close)
        self._lock.release()

    def _envelope(self, cause: Cause, at: Any) -> Metadata:
        return Metadata(
            event_id=self._new_id("evt"),
            at=at,
            actor=cause.actor,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
        )

    def _advance(self, position: int, committed: Sequence[StoredEvent]) -> None:
        """Wakes the writers first, and those who only follow the log a moment later."""
        self._tail.extend(position, committed)
        self._head = position
        self._loop.call_soon(self._wake)

    def _reopen(self) -> None:
        """In the writer's thread. While all connections are closed SQLite shares no old file."""
        with self._streams.closed(), self._positions.closed(), self._checker.closed():
            head = self._recorder.reopen()
        self._loop.call_soon_threadsafe(self._reopened, head)

    def _reopened(self, head: int) -> None:
        """An append that was told to have failed may be there all the same, whole."""
        self._head = max(head, self._head)
        self._tail = Tail()
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
