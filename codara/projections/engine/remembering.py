"""Read models that have what is asked most often in memory, and read it again as the log grows."""

import asyncio
import logging
import sqlite3
from typing import Protocol

import attrs

_LOG = logging.getLogger(__name__)


class Remembers(Protocol):
    """A read model that answers some of its questions from memory."""

    async def remember(self) -> None:
        """Reads what it answers from memory; sqlite3.Error if its file cannot be read."""


@attrs.define
class Memory:
    """Has read models remember behind what was folded, so that the next question need not wait."""

    models: tuple[Remembers, ...] = ()
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def refresh(self) -> None:
        """Begins to have every one of `models` remember, unless that is under way."""
        if self.models and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._remembered())

    async def close(self) -> None:
        """Returns when nothing is being read any more."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _remembered(self) -> None:
        for model in self.models:
            try:
                await model.remember()
            except sqlite3.Error as error:
                _LOG.warning("%s has nothing in memory: %s", type(model).__name__, error)
