"""An end that has to be written: a full disk delays it, and nothing else is lost meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from codara.application.turns.live import Run
from codara.errors import Overloaded, StorageFull, VersionClash

T = TypeVar("T")

_AGAIN_SECONDS = 0.5

logger = logging.getLogger(__name__)


async def lasting(run: Run, append: Callable[[], Awaitable[T]]) -> T:
    """Appends until the log takes it; those who listen hear of a full disk at once.

    Ends with the gateway at the latest: recovery ends the turn at the next start.
    """
    while True:
        try:
            return await append()
        except (StorageFull, Overloaded) as full:
            if not run.over:
                logger.warning("task %s cannot be ended yet: %s", run.asked.turn_id, full.message)
                run.end(full)
        except VersionClash as clash:
            logger.warning("task %s cannot be ended yet: %s", run.asked.turn_id, clash)
        await asyncio.sleep(_AGAIN_SECONDS)
