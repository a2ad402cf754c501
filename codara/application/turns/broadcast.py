"""Frames of a running turn, for every listener from the very first one on."""

import asyncio
from collections.abc import AsyncIterator

from codara.application.ports.frames import Frame


class Broadcast:
    """Grows a list of frames; a late listener hears everything from the start."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._closed = False
        self._more = asyncio.Event()

    def publish(self, frame: Frame) -> None:
        """Adds a frame and wakes the listeners."""
        self._frames.append(frame)
        self._wake()

    def close(self) -> None:
        """No frame comes any more."""
        self._closed = True
        self._wake()

    async def frames(self) -> AsyncIterator[Frame]:
        """All frames, waiting for those to come; ends when the turn does."""
        heard = 0
        while True:
            more = self._more
            while heard < len(self._frames):
                yield self._frames[heard]
                heard += 1
            if self._closed:
                return
            await more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
