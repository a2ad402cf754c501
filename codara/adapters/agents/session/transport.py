"""Which of its two transports a runtime uses: a process that stays, or one process per turn."""

import time
from collections.abc import Awaitable, Callable

import attrs

from codara.adapters.agents.contract import AgentSession
from codara.errors import AgentFailed

TOLERATED_STARTS = 3
PAUSE_SECONDS = 300.0
REMEMBERED = 1000
"""Homes in which starts were in vain lately; the oldest are forgotten."""


@attrs.frozen
class Vain:
    """Counts starts in a row that failed, the last of them at `at`."""

    starts: int
    at: float


class Transport:
    """The setting `transport`, and what was learnt of it, home by home.

    With `auto` a turn whose long-lived process does not start gets a process of its own; once that
    has happened three times in a row in a home, so do the later turns there, until five minutes
    after the last of these starts. What is broken in one home says nothing of another.
    """

    def __init__(self, setting: str, now: Callable[[], float] = time.monotonic) -> None:
        self._setting = setting
        self._now = now
        self._vain: dict[str, Vain] = {}

    def stays_in(self, home: str) -> bool:
        """Says whether a process that stays is tried first in this home."""
        vain = self._vain.get(home)
        if vain is None or vain.starts < TOLERATED_STARTS:
            return self._setting != "process"
        return self._now() - vain.at >= PAUSE_SECONDS

    async def open(
        self,
        home: str,
        staying: Callable[[], Awaitable[AgentSession]],
        passing: Callable[[], AgentSession],
    ) -> AgentSession:
        """Returns a session by the transport that works; AgentFailed if neither may be tried."""
        if not self.stays_in(home):
            return passing()
        try:
            session = await staying()
        except AgentFailed as failure:
            if self._setting != "auto" or failure.cause != "crashed":
                raise
            self._note(home)
            return passing()
        self._vain.pop(home, None)
        return session

    def forget(self, home: str) -> None:
        """The home is gone: the next one in its place is another one."""
        self._vain.pop(home, None)

    def _note(self, home: str) -> None:
        before = self._vain.pop(home, None)
        self._vain[home] = Vain(1 + (before.starts if before else 0), self._now())
        if len(self._vain) > REMEMBERED:
            del self._vain[next(iter(self._vain))]
