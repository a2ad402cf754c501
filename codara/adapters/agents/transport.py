"""Which of its two transports a runtime uses: a process that stays, or one process per turn."""

from collections.abc import Awaitable, Callable

from codara.adapters.agents.contract import Session
from codara.errors import AgentFailed

TOLERATED_STARTS = 3


class Transport:
    """The setting `transport`, and what was learnt of it.

    With `auto` a turn whose long-lived process does not start gets a process of its own; once that
    has happened three times in a row, so does every later turn.
    """

    def __init__(self, setting: str) -> None:
        self._auto = setting == "auto"
        self._failed = TOLERATED_STARTS if setting == "process" else 0

    @property
    def persistent(self) -> bool:
        """Whether a process that stays is tried first."""
        return self._failed < TOLERATED_STARTS

    async def open(
        self, staying: Callable[[], Awaitable[Session]], passing: Callable[[], Session]
    ) -> Session:
        """A session by the transport that works; AgentFailed if neither may be tried."""
        if not self.persistent:
            return passing()
        try:
            session = await staying()
        except AgentFailed as failure:
            if not self._auto or failure.cause != "crashed":
                raise
            self._failed += 1
            return passing()
        self._failed = 0
        return session
