"""Locks by name, first come first served; a name that nobody wants takes no memory."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NamedLocks:
    """One lock a name."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()

    async def acquire(self, name: str) -> None:
        """Waits for the name; cancelled, it holds nothing."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._wanted[name] += 1
        try:
            await lock.acquire()
        except BaseException:
            self._forget(name)
            raise

    def locked(self, name: str) -> bool:
        """Says whether somebody holds the name or is about to."""
        return name in self._locks

    def release(self, name: str) -> None:
        """Gives the name to the next one who waits for it."""
        self._locks[name].release()
        self._forget(name)

    @asynccontextmanager
    async def held(self, name: str | None) -> AsyncIterator[None]:
        """Holds the name for a block; None holds nothing."""
        if name is None:
            yield
            return
        await self.acquire(name)
        try:
            yield
        finally:
            self.release(name)

    def _forget(self, name: str) -> None:
        self._wanted[name] -= 1
        if not self._wanted[name]:
            del self._wanted[name], self._locks[name]
