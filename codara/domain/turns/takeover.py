"""Takeover: another account, or another process, runs a turn that has had no effect yet."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import attrs

from codara.domain import account, lease, lending, routing, session
from codara.domain.decisions import Facts, States
from codara.domain.lending import AccountChange, Borrowable
from codara.domain.tally import TRIED, Condition, Tally, condition
from codara.domain.turns.lessons import learnt
from codara.events import streams
from codara.events.account import QuotaWindow
from codara.events.session import AccountChanged, TurnRetried
from codara.events.windows import full_until


@attrs.frozen(kw_only=True)
class Takeover:
    """What the decision needs that a turn goes on with another account."""

    turn_id: str
    session_id: str
    provider: str
    failed: str
    """The account that failed now."""
    tried: Collection[str]
    """Every account that the turn has run on, with the one that failed now."""
    cause: str
    health: AccountChange | None
    quota: tuple[QuotaWindow, ...]
    quota_source: str
    accounts: tuple[Borrowable, ...]
    others: tuple[Condition, ...] = ()
    """The states of accounts that are not looked at."""
    floor: float
    now: datetime
    until: datetime
    """The turn's own end, which stays as it was."""
    leases: tuple[str, ...]
    """The lease streams that the turn holds now."""

    @property
    def account_lease(self) -> str:
        """Returns the lease stream of the account that failed."""
        return next(held for held in self.leases if held.startswith("lease/account/"))

    def streams(self) -> list[str]:
        """Returns the streams that the decision reads."""
        accounts = dict.fromkeys((self.failed, *(each.account_id for each in self.accounts)))
        return [
            streams.session(self.session_id),
            *(streams.account(account_id) for account_id in accounts),
            self.account_lease,
            *filter(None, (each.lease for each in self.accounts)),
            *([streams.quota(self.failed)] if self.quota else []),
        ]


def change(states: States, ask: Takeover) -> Facts:
    """Decides *changed*: records what was learnt of the failed account, and swaps the leases.

    Empty if the session does not run this turn any more. Raises the tally's refusal if no other
    account can be lent.
    """
    stream = streams.session(ask.session_id)
    if not _is_running(states[stream], ask.turn_id):
        return {}
    offers = [_offer(states, each, ask) for each in ask.accounts]
    chosen, choice = routing.choose(
        offers, floor=ask.floor, provider=ask.provider, now=ask.now, others=ask.others
    )
    taken = chosen.lease or ""
    held = tuple(each for each in ask.leases if each != ask.account_lease)
    changed = AccountChanged(
        session_id=ask.session_id,
        turn_id=ask.turn_id,
        before=ask.failed,
        cause=ask.cause,
        account_chosen=choice,
        leases=(*held, taken),
    )
    return {
        stream: [changed],
        ask.account_lease: lease.release(states[ask.account_lease], turn_id=ask.turn_id),
        taken: [lending.taken(taken, turn_id=ask.turn_id, until=ask.until)],
        **learnt(
            states,
            ask.failed,
            health=ask.health,
            quota=ask.quota,
            source=ask.quota_source,
            now=ask.now,
        ),
    }


def tally_after(states: States, ask: Takeover) -> Tally:
    """Returns the tally of the provider's accounts after the failure, without changing anything."""
    offers = [_offer(states, each, ask) for each in ask.accounts]
    return routing.tally_of(offers, ask.provider, ask.others)


def _offer(states: States, each: Borrowable, ask: Takeover) -> routing.Offer:
    offer = lending.offer(states, each, ask.now)
    if each.account_id not in ask.tried:
        return offer
    if each.account_id != ask.failed:
        return attrs.evolve(offer, reason=TRIED if offer.ready else "")
    return attrs.evolve(offer, condition=_failed(each, ask), reason=ask.cause)


def _failed(each: Borrowable, ask: Takeover) -> Condition:
    """Returns the state of the account that failed, by all that the turn found out about it."""
    told = full_until(ask.quota, ask.now) if ask.quota else each.full_until
    if ask.health is None:
        return condition(account.READY, None, told, ask.now)
    return condition(ask.health.after, ask.health.until, told, ask.now)


def retry(states: States, retried: TurnRetried) -> Facts:
    """Decides *retried*; empty if the session does not run this turn any more."""
    stream = streams.session(retried.session_id)
    return {stream: [retried]} if _is_running(states[stream], retried.turn_id) else {}


def _is_running(current: Any, turn_id: str) -> bool:
    turn: session.OpenTurn | None = current.turn
    return turn is not None and turn.turn_id == turn_id
