"""One home of the pool: at most one process, one turn at a time."""

import asyncio
import logging

from codara.adapters.agents.contract import Session
from codara.adapters.agents.watch import to_the_end

log = logging.getLogger(__name__)

HomeKey = tuple[str, str]
"""Workspace and runtime."""


class Slot:
    """One home: who runs a turn in it holds the lock."""

    def __init__(self, key: HomeKey) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.session: Session | None = None
        self.opening = False
        self.waiting = 0
        self.used_at = 0.0

    @property
    def occupied(self) -> bool:
        """Whether it counts against the bound on processes."""
        return self.opening or self.session is not None

    @property
    def idle(self) -> bool:
        return self.session is not None and not self.lock.locked() and not self.waiting

    async def empty(self) -> None:
        """Ends the session, if there is one; it counts until it is gone.

        One that cannot be ended as it should is let go all the same: it must not keep the home.
        """
        if self.session is None:
            return
        try:
            await to_the_end(self.session.close())
        except Exception:
            log.exception("the %s of workspace %s was not ended as it should be", *self.key[::-1])
        finally:
            self.session = None
