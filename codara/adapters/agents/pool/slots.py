"""The homes of the pool: at most one process in each, one turn at a time."""

import asyncio
import logging
from collections.abc import Iterator

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.session.watch import to_the_end

log = logging.getLogger(__name__)

HomeKey = tuple[str, str]
"""Workspace and runtime."""


class Slot:
    """One home: who runs a turn in it holds the lock."""

    def __init__(self, key: HomeKey) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.session: AgentSession | None = None
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


class HomeSlots:
    """The homes in which an agent is, or is awaited."""

    def __init__(self) -> None:
        self._by_key: dict[HomeKey, Slot] = {}

    def __contains__(self, key: HomeKey) -> bool:
        return key in self._by_key

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._by_key.values()))

    def at(self, key: HomeKey) -> Slot:
        """Returns the home of that key, from now on one of these."""
        return self._by_key.setdefault(key, Slot(key))

    def of(self, runtime: str) -> list[Slot]:
        return [slot for slot in self if slot.key[1] == runtime]

    def idle(self) -> list[Slot]:
        return [slot for slot in self if slot.idle]

    def occupied(self, runtime: str) -> int:
        """Returns how many of the runtime's homes count against its bound."""
        return sum(slot.occupied for slot in self.of(runtime))

    def forget(self, slot: Slot) -> None:
        """Lets go of a home in which nobody is or is awaited."""
        if slot.session is None and not slot.waiting and not slot.lock.locked():
            self._by_key.pop(slot.key, None)
