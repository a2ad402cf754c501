"""The spool: what agents of running turns wrote, in one encrypted file a turn."""

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import attrs

from codara.adapters.spoolfile import TurnFile
from codara.errors import ShuttingDown
from codara.events.store.keyring import KeyRing

KEPT_BYTES = 64 * 1024
"""What a turn wrote is also kept in memory up to here: the end of most turns reads no file."""
MOST_BYTES = 64 * 1024 * 1024
"""What one turn wrote is recorded up to here, whole lines only."""
GATHER_SECONDS = 0.25
"""For so long lines wait for the next ones: the thread is woken once for all of them."""
GATHERED_BYTES = 256 * 1024
"""So much of them waits no longer."""
CLOSE_SECONDS = 60.0

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class _Lines:
    """What is to be written to a file."""

    file: TurnFile
    lines: list[bytes]


_Job = _Lines | Callable[[], object]
"""Lines, or something to do once the lines before it are written."""


class FileSpool:
    """Satisfies `Spool`: one thread does all that is done to the files, in its order.

    Lines are gathered for `GATHER_SECONDS` and written in batches of whatever waits: a gateway
    that is killed loses no more than that, and a turn that is over before has no file. Belongs to
    the event loop.
    """

    def __init__(self, folder: Path, keys: KeyRing) -> None:
        self._folder = folder
        self._keys = keys
        self._gathered: dict[TurnFile, list[bytes]] = {}
        self._gathered_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def open(self, turn_id: str) -> "FileSpoolFile":
        """Begins the turn's spool; touches no disk."""
        return FileSpoolFile(self, self._file(turn_id))

    async def read(self, turn_id: str) -> bytes:
        """Returns all whole frames of the file, one a line; empty without frames.

        LogDamaged if the vault cannot be read.
        """
        return await self.told(self._file(turn_id).read)

    async def remove(self, turn_id: str) -> None:
        """Deletes the file; does nothing if it is missing."""
        await self.told(partial(_removed, self._file(turn_id).path))

    async def close(self) -> None:
        """Writes what is queued and ends the thread."""
        self._closed = True
        self._flush()
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
            self._thread = None

    def write(self, file: TurnFile, line: bytes) -> None:
        """For `FileSpoolFile`: the thread gets the line soon, and before whatever follows."""
        self._refuse_if_closed()
        self._gathered.setdefault(file, []).append(line)
        self._gathered_bytes += len(line)
        if self._gathered_bytes >= GATHERED_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush)

    def drop(self, file: TurnFile) -> None:
        """For `FileSpoolFile`: what the turn wrote is of no use any more."""
        self._gathered_bytes -= sum(map(len, self._gathered.pop(file, ())))
        if file.handed_over:
            self._put(file.discard)

    async def told(self, work: Callable[[], bytes]) -> bytes:
        """What `work` returns or raises in the thread, behind all that was written before."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._put(partial(_tell, answer, work))
        return await answer

    def _put(self, job: Callable[[], object]) -> None:
        self._refuse_if_closed()
        self._flush()
        self._hand_over(job)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise ShuttingDown("the spool is closed")

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for file, lines in self._gathered.items():
            file.handed_over = True
            self._hand_over(_Lines(file, lines))
        self._gathered = {}
        self._gathered_bytes = 0

    def _hand_over(self, job: _Job) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _file(self, turn_id: str) -> TurnFile:
        return TurnFile(turn_id, self._folder, self._keys)

    def _run(self) -> None:
        going_on = True
        files: set[TurnFile] = set()
        while going_on:
            jobs, going_on = self._gather()
            lines: dict[TurnFile, list[bytes]] = {}
            for job in jobs:
                if isinstance(job, _Lines):
                    lines.setdefault(job.file, []).extend(job.lines)
                else:
                    _write_each(lines)
                    job()
            files = {file for file in files | lines.keys() if file.is_open}
            _write_each(lines)
        for file in files:
            file.let_go()

    def _gather(self) -> tuple[list[_Job], bool]:
        """What waits right now; False once `close` was called."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        try:
            while job is not None:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except Empty:
            return jobs, True
        return jobs, False


class FileSpoolFile:
    """Satisfies `SpoolFile`. Belongs to the event loop."""

    def __init__(self, spool: FileSpool, file: TurnFile) -> None:
        self._spool = spool
        self._file = file
        self._kept: list[bytes] = []
        self._size = 0
        self._closed = False

    def write(self, line: bytes) -> None:
        """Queues one line, unless the file is closed. Never waits, never fails for a full disk.

        From the first line on that does not fit into `MOST_BYTES` nothing is recorded.
        """
        if self._closed or self._size > MOST_BYTES:
            return
        self._size += len(line) + 1
        if self._size > MOST_BYTES:
            logger.warning("%s: only the first %d bytes are kept", self._file.path.name, MOST_BYTES)
            return
        self._spool.write(self._file, line)
        if self._size <= KEPT_BYTES:
            self._kept.append(line)
        else:
            self._kept.clear()

    async def close(self) -> bytes:
        """Returns the whole, lines separated by newlines; what comes later is not written.

        LogDamaged if it has to be read from the disk and the vault cannot be read.
        """
        self._closed = True
        if self._size <= KEPT_BYTES:
            return b"\n".join(self._kept)
        return await self._spool.told(partial(_whole, self._file))

    def remove(self) -> None:
        """Queues the deletion of the file, if there is one. Never waits."""
        self._closed = True
        self._spool.drop(self._file)


def _whole(file: TurnFile) -> bytes:
    file.let_go()
    return file.read()


def _removed(path: Path) -> bytes:
    path.unlink(missing_ok=True)
    return b""


def _write_each(lines: dict[TurnFile, list[bytes]]) -> None:
    for file, waiting in lines.items():
        file.write(waiting)
    lines.clear()


def _tell(answer: asyncio.Future[bytes], work: Callable[[], bytes]) -> None:
    told: bytes | Exception
    try:
        told = work()
    except Exception as error:
        told = error
    try:
        answer.get_loop().call_soon_threadsafe(_resolve, answer, told)
    except RuntimeError:
        logger.warning("the event loop ended before the spool was closed")


def _resolve(answer: asyncio.Future[bytes], told: bytes | Exception) -> None:
    if answer.done():
        return
    if isinstance(told, bytes):
        answer.set_result(told)
    else:
        answer.set_exception(told)
