"""Work that is repeated in the background until it is cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from codara.errors import CodaraError

logger = logging.getLogger(__name__)


async def regularly(work: Callable[[], Awaitable[object]], pause: float, trouble: str) -> None:
    """Does the work, rests for `pause` seconds and does it again, whatever fails in between.

    `trouble` is the message for the operator's log when the work fails.
    """
    while True:
        try:
            await work()
        except CodaraError as error:
            logger.warning("%s: %s", trouble, error.message)
        except Exception:
            logger.exception(trouble)
        await asyncio.sleep(pause)
