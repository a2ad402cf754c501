"""An end that has to be written: a full or failing disk delays it, and nothing else is lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from codara.application.turns.run import Run
from codara.errors import Overloaded, StorageFailed, StorageFull, VersionClash

T = TypeVar("T")

_AGAIN_SECONDS = 0.5

logger = logging.getLogger(__name__)


async def lasting(run: Run, append: Callable[[], Awaitable[T]]) -> T:
    """Appends until the log takes it; those who listen hear of the disk at once.

    Ends with the gateway at the latest: recovery ends the turn at the next start.
    """
    while True:
        try:
            return await append()
        except (StorageFull, StorageFailed, Overloaded) as refused:
            if not run.over:
                logger.warning(
                    "task %s cannot be ended yet: %s", run.asked.turn_id, refused.message
                )
                run.end(refused)
        except VersionClash as clash:
            logger.warning("task %s cannot be ended yet: %s", run.asked.turn_id, clash)
        await asyncio.sleep(_AGAIN_SECONDS)
