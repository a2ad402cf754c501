"""Which account a turn borrows: a pure ranking, and the choice recorded with its reasons."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import attrs

from codara.domain import account
from codara.domain.tally import BUSY, TRIED, Condition, Tally, tally
from codara.errors import NoFreeAccount
from codara.events.session import AccountChosen, Candidate
from codara.events.vocabulary import PassedOver

NO_FREE_LEASE: PassedOver = "no_free_lease"

_UNSEEN_HEADROOM = 101.0


@attrs.frozen(kw_only=True)
class Offer:
    """An account as a decision sees it: its true state, and what the read model adds.

    `headroom` is in percent; None if it was never observed. `lease` is the lease stream that the
    turn may take; None if all are taken.
    """

    account_id: str
    condition: Condition
    headroom: float | None
    last_used_at: datetime | None
    primary: bool
    lease: str | None
    reason: str = ""
    """Why this turn does not take the account, if that is not its state."""

    @property
    def ready(self) -> bool:
        """Tells whether the turn may take it, if there is a slot."""
        return self.condition.state == account.READY and not self.reason


def choose(
    offers: Sequence[Offer],
    *,
    floor: float,
    provider: str,
    now: datetime,
    others: Sequence[Condition] = (),
) -> tuple[Offer, AccountChosen]:
    """Chooses the account with the most headroom, and returns it with the reasons.

    A primary account comes first while its headroom is above `floor` percent. Raises the tally's
    refusal if no offer can be taken; `others` are the states of accounts that are not offered.
    """
    ranked = sorted(offers, key=lambda offer: _rank(offer, floor))
    refusals = {offer.account_id: _refusal(offer) for offer in ranked}
    for offer in ranked:
        if refusals[offer.account_id] is None:
            return offer, _recorded(offer, ranked, refusals)
    counted = tally_of(ranked, provider, others)
    raise counted.refusal(now) or NoFreeAccount(
        f"Every {provider} account that was looked at is taken. Try again shortly.", retry_after=1.0
    )


def tally_of(offers: Sequence[Offer], provider: str, others: Sequence[Condition] = ()) -> Tally:
    """Returns the tally of the accounts that are offered, and of others."""
    return tally(provider, [*map(_counted, offers), *others])


def _counted(offer: Offer) -> Condition:
    if offer.condition.state == account.READY:
        return Condition(TRIED if offer.reason else BUSY if offer.lease is None else account.READY)
    return offer.condition


def _rank(offer: Offer, floor: float) -> tuple[bool, float, float, str]:
    headroom = _UNSEEN_HEADROOM if offer.headroom is None else offer.headroom
    used = offer.last_used_at.timestamp() if offer.last_used_at else 0.0
    return (not (offer.primary and headroom > floor), -headroom, used, offer.account_id)


def _refusal(offer: Offer) -> str | None:
    if not offer.ready:
        return offer.reason or offer.condition.state
    if offer.lease is None:
        return NO_FREE_LEASE
    return None


def _recorded(
    chosen: Offer, ranked: Sequence[Offer], refusals: dict[str, str | None]
) -> AccountChosen:
    best = tuple(
        Candidate(
            account_id=offer.account_id,
            headroom=offer.headroom,
            refused=refusals[offer.account_id],
        )
        for offer in ranked[:5]
    )
    counts = Counter(reason for reason in refusals.values() if reason is not None)
    return AccountChosen(
        account_id=chosen.account_id, policy="headroom", best=best, refused=dict(counts)
    )
