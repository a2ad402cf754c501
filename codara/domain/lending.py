"""Lending an account to a turn: which accounts may be lent, and the lease that records it."""

from datetime import datetime

import attrs

from codara.domain import account, routing
from codara.domain.decisions import States
from codara.domain.tally import condition
from codara.events import streams
from codara.events.lease import LeaseTaken
from codara.events.vocabulary import AccountStatus


@attrs.frozen(kw_only=True)
class Borrowable:
    """An account that may be lent: what the read model says of it, and the lease to take.

    `headroom` is in percent; None if it was never observed. `full_until` is when the last of its
    full quota windows ends. `lease` is None if the account runs as many turns as it may.
    """

    account_id: str
    headroom: float | None
    full_until: datetime | None = None
    last_used_at: datetime | None
    primary: bool
    lease: str | None


@attrs.frozen(kw_only=True)
class AccountChange:
    """What a turn found out about the account that it ran on."""

    after: AccountStatus
    cause: str
    until: datetime | None
    evidence: str


def free(states: States, stream: str | None, now: datetime) -> str | None:
    """Returns the lease stream if nobody holds it; else None."""
    return stream if stream is not None and states[stream].free(now) else None


def offer(states: States, each: Borrowable, now: datetime) -> routing.Offer:
    """Returns the account as the log has it, with what only the read model knows."""
    known: account.Account = states[streams.account(each.account_id)]
    return routing.Offer(
        account_id=each.account_id,
        condition=condition(known.status, known.until, each.full_until, now),
        headroom=each.headroom,
        last_used_at=each.last_used_at,
        primary=each.primary,
        lease=free(states, each.lease, now),
    )


def taken(stream: str, *, turn_id: str, until: datetime) -> LeaseTaken:
    """Returns the fact that the turn holds the slot `stream` until `until`."""
    _, kind, owner, slot = stream.split("/")
    return LeaseTaken(kind=kind, owner=owner, slot=int(slot), turn_id=turn_id, until=until)
