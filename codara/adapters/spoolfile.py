"""What one turn wrote, encrypted, in one append-only file: for the thread that owns the files."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codara.errors import LogDamaged
from codara.events.store.keyring import KeyRing
from codara.events.store.sealing import seal, unseal

SUBJECT = "spool"
LENGTH_BYTES = 4

logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class TurnFile:
    """One turn's file. It is made by its first lines; every call blocks.

    It begins with the id of its key and holds frames of lines, each sealed on its own and bound to
    its place; what a crash cut off at the end is left out.
    """

    turn_id: str
    folder: Path
    keys: KeyRing
    handed_over: bool = False
    """Whether the thread has heard of it; set on the event loop."""
    _handle: int = -1
    _key: AESGCM | None = None
    _frames: int = 0
    _unwritten: list[bytes] = attrs.field(factory=list)
    """Lines that the disk did not take; held here so that the turn does not lose them."""

    @property
    def path(self) -> Path:
        return self.folder / f"{self.turn_id}.spool"

    @property
    def is_open(self) -> bool:
        return self._handle >= 0

    def write(self, lines: Sequence[bytes]) -> None:
        """A disk or a vault that fails costs the file's durability, never the lines."""
        if self._unwritten:
            self._unwritten.extend(lines)
            return
        try:
            self._append(b"\n".join(lines))
        except Exception:
            logger.exception("the spool of %s is held in memory from here on", self.turn_id)
            self._unwritten.extend(lines)

    def read(self) -> bytes:
        """Returns all lines written so far; LogDamaged if the vault cannot be read."""
        return b"\n".join([*self._opened(), *self._unwritten])

    def let_go(self) -> None:
        """Nothing more is written."""
        if self.is_open:
            os.close(self._handle)
            self._handle, self._key = -1, None

    def discard(self) -> None:
        """Deletes the file."""
        self.let_go()
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            logger.exception("the spool of %s cannot be deleted", self.turn_id)

    def _append(self, plain: bytes) -> None:
        if self._key is None:
            self._key = self._begin()
        box = seal(self._key, plain, _place(self.turn_id, self._frames))
        _write_all(self._handle, _frame(box))
        self._frames += 1

    def _begin(self) -> AESGCM:
        """Makes the file; returns its key."""
        key_id, key = self.keys.sealing_key(SUBJECT)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(self.path, flags, 0o600)
        _write_all(self._handle, _frame(key_id.encode()))
        return key

    def _opened(self) -> Iterator[bytes]:
        try:
            frames = list(_frames(self.path.read_bytes()))
        except OSError:
            return
        key = self.keys.opening_key(frames[0].decode()) if frames else None
        if key is None:
            return
        try:
            for number, box in enumerate(frames[1:]):
                yield unseal(key, box, _place(self.turn_id, number))
        except LogDamaged:
            logger.warning("the spool of %s is cut short: a frame does not open", self.turn_id)


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
