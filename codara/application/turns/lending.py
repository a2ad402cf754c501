"""Lending: the accounts a turn could run on, each with a slot reserved while that is decided."""

from types import TracebackType
from typing import Self

import attrs

from codara.application.ports.views import AccountStanding
from codara.application.turns.context import Context, ReservedSlots
from codara.domain.lending import Borrowable

_ACCOUNTS_TRIED = 16


@attrs.define
class Reservation:
    """Slots that nobody else is offered; on leaving, those that were not kept are given back."""

    slots: ReservedSlots
    _streams: list[str] = attrs.field(factory=list, init=False)
    _kept: tuple[str, ...] = attrs.field(default=(), init=False)

    def slot(self, kind: str, owner: str, cap: int) -> str | None:
        """Returns the lease stream of a slot; None if `cap` of them are taken."""
        stream = self.slots.reserve(kind, owner, cap)
        if stream is not None:
            self._streams.append(stream)
        return stream

    def keep(self, leases: tuple[str, ...]) -> None:
        """These were taken."""
        self._kept = leases

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for stream in self._streams:
            if stream not in self._kept:
                self.slots.give(stream)


async def borrowables(
    context: Context, provider: str, reservation: Reservation
) -> tuple[Borrowable, ...]:
    """Returns the provider's accounts, as the read model ranks them."""
    standings = await context.standings.of_provider(provider)
    return tuple(_borrowable(each, context, reservation) for each in standings[:_ACCOUNTS_TRIED])


def _borrowable(
    standing: AccountStanding, context: Context, reservation: Reservation
) -> Borrowable:
    return Borrowable(
        account_id=standing.account_id,
        headroom=standing.headroom,
        last_used_at=standing.last_used_at,
        primary=standing.primary,
        lease=reservation.slot("account", standing.account_id, context.limits.account_slots),
    )
