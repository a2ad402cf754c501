"""The noter: notes in the vault how far the log has come, and in the log how the vault changed."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from codara.errors import CodaraError, ShuttingDown
from codara.events import streams
from codara.events.base import Event
from codara.events.gateway import LogVaultNoted
from codara.events.store.seen import SeenEvent

NOTE_SECONDS = 3.0
LONGEST_SECONDS = 15.0
"""A disk that takes longer for one note is told of, and tried again at the next one."""

logger = logging.getLogger(__name__)


class NotedLog(Protocol):
    """What of a log is noted."""

    log_id: str

    def newest(self) -> SeenEvent: ...

    async def wait_past(self, position: int) -> None: ...


class NotingVault(Protocol):
    """A vault that keeps how far its log has come."""

    async def changes(self) -> int: ...

    async def note(self, log_id: str, seen: SeenEvent, /) -> None: ...


class Appends(Protocol):
    """Appends facts to a stream."""

    async def __call__(self, stream: str, events: Sequence[Event], /) -> object: ...


class Noter:
    """Keeps log and vault knowing of each other; it is silent until it is told to `begin`."""

    def __init__(
        self,
        log: NotedLog,
        vault: NotingVault,
        append: Appends,
        *,
        seen: SeenEvent | None,
        changes: int,
        pause: float = NOTE_SECONDS,
    ) -> None:
        """`seen` and `changes` are what vault and log know already."""
        self._log = log
        self._vault = vault
        self._append = append
        self._seen = seen
        self._changes = changes
        self._pause = pause
        self._begun = False
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Notes what there is now, and from now on what comes; a failure is logged."""
        self._begun = True
        await self.note_now()
        self._task = asyncio.create_task(self._keep())

    async def note_now(self) -> None:
        """Notes what there is now; a failure is logged, once while it stays the same."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._note()
        except (CodaraError, TimeoutError) as error:
            words = str(error) or f"its disk takes longer than {LONGEST_SECONDS:.0f} s"
            if words != self._trouble:
                logger.warning("the vault does not hear how far the log has come: %s", words)
            self._trouble = words
        else:
            self._trouble = ""

    async def close(self) -> None:
        """Notes once more what there is, if it has begun, and ends; a failure is logged."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._begun:
            await self.note_now()

    async def _keep(self) -> None:
        with suppress(ShuttingDown):
            while True:
                await self._log.wait_past(self._seen.position if self._seen else 0)
                await self.note_now()
                await asyncio.sleep(self._pause)

    async def _note(self) -> None:
        changes = await self._vault.changes()
        if changes != self._changes:
            await self._append(streams.LOG, [LogVaultNoted(changes=changes)])
            self._changes = changes
        newest = self._log.newest()
        if newest != self._seen:
            await self._vault.note(self._log.log_id, newest)
            self._seen = newest
