"""Standings of accounts: what the choice of an account asks, answered from memory."""

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from codara.clock import Clock
from codara.events.vocabulary import AccountStatus
from codara.projections.account_rows import PASSING, READY, time_of
from codara.projections.engine.queries import Reader, Row
from codara.projections.headroom import headroom_of


@attrs.frozen(kw_only=True)
class Standing:
    """An account as ranking sees it; `headroom` is in percent, None if never observed.

    `full_until` is when the last of its full quota windows ends; None if none is full.
    """

    account_id: str
    provider: str
    status: AccountStatus
    until: datetime | None
    headroom: float | None
    full_until: datetime | None = None
    last_used_at: datetime | None
    primary: bool

    @classmethod
    def of(cls, row: Row, now: datetime) -> "Standing":
        """Makes it from the account's columns; one whose cooldown is over at `now` is ready."""
        until = time_of(row["until"])
        over = row["status"] in PASSING and until is not None and until <= now
        return cls(
            account_id=row["account_id"],
            provider=row["provider"],
            status=READY if over else row["status"],
            until=None if over else until,
            headroom=headroom_of(row, now),
            full_until=time_of(row["full_until"]),
            last_used_at=time_of(row["last_used_at"]),
            primary=bool(row["cli_primary"]),
        )


_STANDINGS = """
SELECT account_id, provider, status, until, cli_primary, windows, full_until, quota_at,
    last_used_at
FROM accounts ORDER BY opened
"""


@attrs.define
class Standings:
    """The standings of all accounts, from the read model of accounts.

    `position` tells how far the read models are: until that changes, the rows are kept in memory.
    """

    reader: Reader
    clock: Clock
    position: Callable[[], int]
    _remembered: Sequence[Row] = attrs.field(default=(), init=False)
    _remembered_of: tuple[int, int] | None = attrs.field(default=None, init=False)

    async def of_provider(self, provider: str) -> Sequence[Standing]:
        """Returns all registered accounts of the provider, the first registered first."""
        if self._remembered_of != self._moment():
            await self.remember()
        now = self.clock()
        return [Standing.of(row, now) for row in self._remembered if row["provider"] == provider]

    async def remember(self) -> None:
        """Reads into memory what `of_provider` returns."""
        moment_of_asking = self._moment()
        rows = await self.reader.rows(_STANDINGS)
        self._remembered, self._remembered_of = rows, moment_of_asking

    def _moment(self) -> tuple[int, int]:
        """Returns how far the rows are, and of which file."""
        return self.position(), self.reader.generation
