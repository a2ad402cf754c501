"""Lending: the accounts a turn could run on, each with a slot reserved while that is decided."""

from collections.abc import Collection
from datetime import datetime
from types import TracebackType
from typing import Self

import attrs

from codara.application.ports.views import AccountStanding
from codara.application.turns.context import Context, ReservedSlots
from codara.domain.account import READY, Account
from codara.domain.lending import Borrowable
from codara.domain.tally import Condition, Tally, condition, tally
from codara.events import streams

SECONDS_TO_CATCH_UP = 1.0
"""How long a refusal waits for a read model that is behind the log."""
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


@attrs.frozen
class Lendable:
    """The accounts that a decision looks at, and the states of all others."""

    accounts: tuple[Borrowable, ...]
    others: tuple[Condition, ...]


async def lendable(context: Context, provider: str, reservation: Reservation) -> Lendable:
    """Returns the provider's accounts by the read model; those that are ready come first."""
    now = context.clock()
    standings = await context.standings.of_provider(provider)
    ranked = sorted(standings, key=lambda each: condition_of(each, now).state != READY)
    return Lendable(
        tuple(_borrowable(each, context, reservation) for each in ranked[:_ACCOUNTS_TRIED]),
        tuple(condition_of(each, now) for each in ranked[_ACCOUNTS_TRIED:]),
    )


def condition_of(standing: AccountStanding, now: datetime) -> Condition:
    """Returns the account's true state by the read model."""
    return condition(standing.status, standing.until, standing.full_until, now)


async def refused_tally(context: Context, provider: str) -> Tally | None:
    """Returns the tally of the provider's accounts; None if, by the log, one of them is ready.

    Nothing is refused on the word of a read model that is behind the log.
    """
    head = context.log.head()
    is_behind = context.feed.position() < head
    found = await _unready(context, provider)
    if found is None or not is_behind:
        return found
    await context.feed.wait_for(head, SECONDS_TO_CATCH_UP)
    return await _unready(context, provider)


async def _unready(context: Context, provider: str) -> Tally | None:
    now, conditions = context.clock(), []
    for standing in await context.standings.of_provider(provider):
        found = await _logged(context, standing, now)
        if found.state == READY:
            return None
        conditions.append(found)
    return tally(provider, conditions)


async def is_another_free(context: Context, provider: str, besides: Collection[str]) -> bool:
    """Tells whether an account not in `besides` is ready by the log and has a slot left."""
    now, cap = context.clock(), context.limits.account_slots
    for standing in await context.standings.of_provider(provider):
        if standing.account_id in besides:
            continue
        if (await _logged(context, standing, now)).state != READY:
            continue
        with Reservation(context.slots) as reservation:
            if reservation.slot("account", standing.account_id, cap) is not None:
                return True
    return False


async def _logged(context: Context, standing: AccountStanding, now: datetime) -> Condition:
    state: Account = await context.deciding.state(streams.account(standing.account_id))
    return condition(state.status, state.until, standing.full_until, now)


def _borrowable(
    standing: AccountStanding, context: Context, reservation: Reservation
) -> Borrowable:
    return Borrowable(
        account_id=standing.account_id,
        headroom=standing.headroom,
        full_until=standing.full_until,
        last_used_at=standing.last_used_at,
        primary=standing.primary,
        lease=reservation.slot("account", standing.account_id, context.limits.account_slots),
    )
