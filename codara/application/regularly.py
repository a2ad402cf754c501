"""Work that is done again and again, beside everything else, until it is cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from codara.errors import CodaraError

logger = logging.getLogger(__name__)


async def regularly(work: Callable[[], Awaitable[object]], pause: float, trouble: str) -> None:
    """Does it, rests for `pause` seconds and does it again, whatever is wrong in between.

    `trouble` is what the log says then.
    """
    while True:
        try:
            await work()
        except CodaraError as error:
            logger.warning("%s: %s", trouble, error.message)
        except Exception:
            logger.exception(trouble)
        await asyncio.sleep(pause)
