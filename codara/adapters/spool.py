"""The spool: what agents of running turns wrote, encrypted, in one append-only file a turn."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.errors import LogDamaged, ShuttingDown
from codara.events.keys import KeyRing
from codara.events.sealing import seal, unseal

SUBJECT = "spool"
LENGTH_BYTES = 4
KEPT_BYTES = 64 * 1024
"""What a turn wrote is also kept in memory up to here: the end of most turns reads no file."""
CLOSE_SECONDS = 60.0

logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Turn:
    """One turn's file, as the writing thread knows it."""

    turn_id: str
    path: Path
    handle: int = -1
    key: AESGCM | None = None
    frames: int = 0
    unwritten: list[bytes] = attrs.field(factory=list)
    """Lines that the disk did not take; held here so that the turn does not lose them."""


@attrs.frozen(eq=False)
class _Line:
    """One line to write."""

    turn: _Turn
    line: bytes


_Job = _Line | Callable[[], None]
"""A line, or something to do once the lines before it are written."""


class FileSpool:
    """Satisfies `Spool`: one thread does all that is done to the files, in its order.

    Lines are written in batches of whatever waits. A file is made by its first line. It begins
    with the id of its key and holds frames of lines, each sealed on its own and bound to its place;
    what a crash cut off at the end is left out.
    """

    def __init__(self, folder: Path, keys: KeyRing) -> None:
        self._folder = folder
        self._keys = keys
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._begun: set[_Turn] = set()

    def open(self, turn_id: str) -> "FileSpoolFile":
        """Begins the turn's spool; touches no disk."""
        return FileSpoolFile(self, _Turn(turn_id, self._path(turn_id)))

    async def read(self, turn_id: str) -> bytes:
        """All whole frames of the file, lines separated by newlines; empty if there are none.

        LogDamaged if the vault cannot be read.
        """
        return await self.told(partial(self._read, _Turn(turn_id, self._path(turn_id))))

    async def remove(self, turn_id: str) -> None:
        """Deletes the file; harmless if there is none."""
        await self.told(partial(self._remove, self._path(turn_id)))

    async def close(self) -> None:
        """Writes what is queued and ends the thread."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
            self._thread = None

    def put(self, job: _Job) -> None:
        """For `FileSpoolFile`."""
        if self._closed:
            raise ShuttingDown("the spool is closed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    async def told(self, work: Callable[[], bytes]) -> bytes:
        """What `work` returns or raises in the thread, behind all that was queued before."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.put(partial(_tell, answer, work))
        return await answer

    def let_go(self, turn: _Turn) -> None:
        """In the thread: nothing more is written to the file."""
        if turn in self._begun:
            self._begun.discard(turn)
            os.close(turn.handle)
            turn.key = None

    def whole(self, turn: _Turn) -> bytes:
        """In the thread: all that the turn wrote, which is over."""
        self.let_go(turn)
        return self._read(turn)

    def discard(self, turn: _Turn) -> None:
        """In the thread: deletes the file."""
        self.let_go(turn)
        try:
            turn.path.unlink(missing_ok=True)
        except OSError:
            logger.exception("the spool of %s cannot be deleted", turn.turn_id)

    def _path(self, turn_id: str) -> Path:
        return self._folder / f"{turn_id}.spool"

    def _remove(self, path: Path) -> bytes:
        path.unlink(missing_ok=True)
        return b""

    def _run(self) -> None:
        going_on = True
        while going_on:
            jobs, going_on = self._gather()
            lines: dict[_Turn, list[bytes]] = {}
            for job in jobs:
                if isinstance(job, _Line):
                    lines.setdefault(job.turn, []).append(job.line)
                else:
                    self._write_each(lines)
                    job()
            self._write_each(lines)
        for turn in tuple(self._begun):
            self.let_go(turn)

    def _gather(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        job = self._jobs.get()
        try:
            while job is not None:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except Empty:
            return jobs, True
        return jobs, False

    def _write_each(self, lines: dict[_Turn, list[bytes]]) -> None:
        for turn, waiting in lines.items():
            self._write(turn, waiting)
        lines.clear()

    def _write(self, turn: _Turn, lines: Sequence[bytes]) -> None:
        """A disk or a vault that fails costs the file's durability, never the lines."""
        if not lines:
            return
        if turn.unwritten:
            turn.unwritten.extend(lines)
            return
        try:
            self._append(turn, b"\n".join(lines))
        except Exception:
            logger.exception("the spool of %s is held in memory from here on", turn.turn_id)
            turn.unwritten.extend(lines)

    def _append(self, turn: _Turn, plain: bytes) -> None:
        if turn.key is None:
            turn.key = self._begin(turn)
        box = seal(turn.key, plain, _place(turn.turn_id, turn.frames))
        _write_all(turn.handle, _frame(box))
        turn.frames += 1

    def _begin(self, turn: _Turn) -> AESGCM:
        """Makes the file; returns its key."""
        key_id, key = self._keys.sealing_key(SUBJECT)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        turn.handle = os.open(turn.path, flags, 0o600)
        self._begun.add(turn)
        _write_all(turn.handle, _frame(key_id.encode()))
        return key

    def _read(self, turn: _Turn) -> bytes:
        return b"\n".join([*self._opened(turn), *turn.unwritten])

    def _opened(self, turn: _Turn) -> Iterator[bytes]:
        try:
            frames = list(_frames(turn.path.read_bytes()))
        except OSError:
            return
        key = self._keys.opening_key(frames[0].decode()) if frames else None
        if key is None:
            return
        try:
            for number, box in enumerate(frames[1:]):
                yield unseal(key, box, _place(turn.turn_id, number))
        except LogDamaged:
            logger.warning("the spool of %s is cut short: a frame does not open", turn.turn_id)


class FileSpoolFile:
    """Satisfies `SpoolFile`. Belongs to the event loop."""

    def __init__(self, spool: FileSpool, turn: _Turn) -> None:
        self._spool = spool
        self._turn = turn
        self._kept: list[bytes] = []
        self._room = KEPT_BYTES
        self._closed = False

    def write(self, line: bytes) -> None:
        """Queues one line, unless the file is closed. Never waits, never fails for a full disk."""
        if self._closed:
            return
        self._spool.put(_Line(self._turn, line))
        self._room -= len(line) + 1
        if self._room >= 0:
            self._kept.append(line)
        else:
            self._kept.clear()

    async def close(self) -> bytes:
        """The whole, lines separated by newlines; what comes later is not written.

        LogDamaged if it has to be read from the disk and the vault cannot be read.
        """
        self._closed = True
        if self._room >= 0:
            return b"\n".join(self._kept)
        return await self._spool.told(partial(self._spool.whole, self._turn))

    def remove(self) -> None:
        """Queues the deletion of the file. Never waits."""
        self._closed = True
        self._spool.put(partial(self._spool.discard, self._turn))


def _place(turn_id: str, number: int) -> bytes:
    return f"spool\0{turn_id}\0{number}".encode()


def _frame(content: bytes) -> bytes:
    return len(content).to_bytes(LENGTH_BYTES) + content


def _frames(data: bytes) -> Iterator[bytes]:
    """The whole frames; what a crash cut off is left out."""
    start = 0
    while start + LENGTH_BYTES < len(data):
        end = start + LENGTH_BYTES + int.from_bytes(data[start : start + LENGTH_BYTES])
        if end > len(data):
            return
        yield data[start + LENGTH_BYTES : end]
        start = end


def _write_all(handle: int, data: bytes) -> None:
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])


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
