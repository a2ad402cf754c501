"""The spool: what agents of running turns wrote, encrypted, in one append-only file a turn."""

import asyncio
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.errors import LogDamaged, ShuttingDown
from codara.events.keys import KeyRing
from codara.events.sealing import seal, unseal

SUBJECT = "spool"
LENGTH_BYTES = 4
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
class _Job:
    """One line to write, or with `ended` the end of the file."""

    turn: _Turn
    line: bytes = b""
    ended: asyncio.Future[bytes] | None = None


class FileSpool:
    """Satisfies `Spool`: one thread writes all files, in batches of whatever waits.

    A file is made by its first line. It begins with the id of its key and holds frames of lines,
    each sealed on its own and bound to its place; what a crash cut off at the end is left out.
    """

    def __init__(self, folder: Path, keys: KeyRing) -> None:
        self._folder = folder
        self._keys = keys
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._begun: set[_Turn] = set()

    def open(self, turn_id: str) -> "FileSpoolFile":
        """Begins the turn's spool, or goes on with it; touches no disk."""
        return FileSpoolFile(self, _Turn(turn_id, self._path(turn_id)))

    async def read(self, turn_id: str) -> bytes:
        """All whole frames of the file, lines separated by newlines; empty if there are none."""
        return await asyncio.to_thread(self._read, _Turn(turn_id, self._path(turn_id)))

    async def remove(self, turn_id: str) -> None:
        """Deletes the file; harmless if there is none."""
        await asyncio.to_thread(self._path(turn_id).unlink, missing_ok=True)

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

    def _path(self, turn_id: str) -> Path:
        return self._folder / f"{turn_id}.spool"

    def _run(self) -> None:
        going_on = True
        while going_on:
            jobs, going_on = self._gather()
            lines: dict[_Turn, list[bytes]] = {}
            for job in jobs:
                if job.ended is None:
                    lines.setdefault(job.turn, []).append(job.line)
                else:
                    self._write(job.turn, lines.pop(job.turn, []))
                    self._end(job.turn, job.ended)
            for turn, waiting in lines.items():
                self._write(turn, waiting)
        for turn in tuple(self._begun):
            self._let_go(turn)

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
        """Opens the file behind its last whole frame, or makes it; returns its key."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        turn.handle = os.open(turn.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._begun.add(turn)
        frames = list(_frames(turn.path.read_bytes()))
        key = self._keys.opening_key(frames[0].decode()) if frames else None
        if key is not None:
            os.ftruncate(turn.handle, sum(len(_frame(frame)) for frame in frames))
            turn.frames = len(frames) - 1
            return key
        key_id, key = self._keys.sealing_key(SUBJECT)
        os.ftruncate(turn.handle, 0)
        _write_all(turn.handle, _frame(key_id.encode()))
        return key

    def _end(self, turn: _Turn, ended: asyncio.Future[bytes]) -> None:
        self._let_go(turn)
        whole: bytes | Exception
        try:
            whole = self._read(turn)
        except Exception as error:
            whole = error
        try:
            ended.get_loop().call_soon_threadsafe(_resolve, ended, whole)
        except RuntimeError:
            logger.warning("the event loop ended before the spool was closed")

    def _let_go(self, turn: _Turn) -> None:
        if turn in self._begun:
            self._begun.discard(turn)
            os.close(turn.handle)
            turn.key = None

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

    def write(self, line: bytes) -> None:
        """Queues one line. Never waits, never fails because the disk is full."""
        self._spool.put(_Job(self._turn, line))

    async def close(self) -> bytes:
        """Waits until all is written; returns the whole, lines separated by newlines.

        LogDamaged if the vault cannot be read.
        """
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._spool.put(_Job(self._turn, ended=ended))
        return await ended


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


def _resolve(ended: asyncio.Future[bytes], whole: bytes | Exception) -> None:
    if ended.done():
        return
    if isinstance(whole, bytes):
        ended.set_result(whole)
    else:
        ended.set_exception(whole)
