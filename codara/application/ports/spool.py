"""The spool: raw frames of running turns."""

from typing import Protocol


class Spool(Protocol):
    """Encrypted, append-only files that hold the raw frames of running turns."""

    def open(self, turn_id: str) -> "SpoolFile":
        """Begins the turn's spool."""

    async def read(self, turn_id: str) -> bytes:
        """Returns all lines written so far, separated by newlines; empty without any."""

    async def remove(self, turn_id: str) -> None:
        """Deletes what the turn left behind under an earlier gateway."""


class SpoolFile(Protocol):
    def write(self, line: bytes) -> None:
        """Queues one line; the file is written off the event loop."""

    async def close(self) -> bytes:
        """Ends the spool and returns all of its lines; later ones are not kept."""

    def remove(self) -> None:
        """Deletes the file: its lines are in a payload by now, or of no use. Waits for nothing."""
