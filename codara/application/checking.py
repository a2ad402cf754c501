"""Checking: what only a try can tell is tried again and again, and the result is remembered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import attrs

logger = logging.getLogger(__name__)

ILL_SECONDS = 5.0
"""The pause between two looks while something is wrong."""


@attrs.define(kw_only=True)
class RepeatedCheck:
    """Remembers what the last look at something saw, so that asking it takes no time.

    `look` returns what is wrong, one line for each reason. `pause` is the time between two looks in
    seconds while nothing is wrong.
    """

    what: str
    look: Callable[[], Awaitable[Sequence[str]]]
    pause: float
    _seen: Sequence[str] = attrs.field(default=(), init=False)

    def reasons(self) -> Sequence[str]:
        """Returns what was wrong at the last look; empty if nothing was, or nobody looked yet."""
        return self._seen

    async def keep(self) -> None:
        """Looks until it is cancelled, the first time after a pause."""
        while True:
            await asyncio.sleep(min(ILL_SECONDS, self.pause) if self._seen else self.pause)
            await self.once()

    async def once(self) -> None:
        """Looks now; a look that fails is itself something wrong."""
        try:
            seen = await self.look()
        except Exception:
            logger.exception("%s cannot be examined", self.what)
            seen = (f"{self.what} cannot be examined",)
        if seen and not self._seen:
            logger.warning("not ready: %s", "; ".join(seen))
        self._seen = seen
