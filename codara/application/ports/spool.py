"""The spool: raw frames of running turns."""

from typing import Protocol


class Spool(Protocol):
    """Encrypted, append-only files that hold the raw frames of running turns."""

    def open(self, turn_id: str) -> "SpoolFile":
        """Begins the turn's spool."""

    async def read(self, turn_id: str) -> bytes:
        """All lines written so far, newline-separated; empty if there are none."""

    async def remove(self, turn_id: str) -> None:
        """Deletes what a turn of an earlier life left behind."""


class SpoolFile(Protocol):
    def write(self, line: bytes) -> None:
        """Queues one line; the file is written off the event loop."""

    async def close(self) -> bytes:
        """The whole; what is written later is not kept."""

    def remove(self) -> None:
        """The lines have become a payload, or are of no use. Waits for nothing."""
