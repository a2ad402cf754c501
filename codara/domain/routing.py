"""Which account a turn borrows: a pure ranking, and the choice recorded with its reasons."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import attrs

from codara.errors import AllAccountsCooling, NoAccount, NoFreeAccount
from codara.events.session import AccountChosen, Candidate
from codara.events.vocabulary import PassedOver

TRIED: PassedOver = "tried"
NO_FREE_LEASE: PassedOver = "no_free_lease"
NOT_READY: PassedOver = "not_ready"

_UNSEEN_HEADROOM = 101.0


@attrs.frozen(kw_only=True)
class Offer:
    """An account as a decision sees it: its standing by the log, and what the read model adds.

    `headroom` is in percent; None if it was never observed. `lease` is the lease stream that the
    turn may take; None if all are taken.
    """

    account_id: str
    ready: bool
    until: datetime | None
    headroom: float | None
    last_used_at: datetime | None
    primary: bool
    lease: str | None
    reason: str = ""
    """Why the account is not ready."""


def choose(
    offers: Sequence[Offer], *, floor: float, provider: str, now: datetime
) -> tuple[Offer, AccountChosen]:
    """Chooses the account with the most headroom, and returns it with the reasons.

    A primary account comes first while its headroom is above `floor` percent. NoAccount if there
    are no offers; AllAccountsCooling, with the earliest return, if none is ready; NoFreeAccount if
    those that are ready run as many turns as they may.
    """
    if not offers:
        raise NoAccount(
            f"No {provider} account is registered. Add one with `codara account add`.",
        )
    ranked = sorted(offers, key=lambda offer: _rank(offer, floor))
    refusals = {offer.account_id: _refusal(offer) for offer in ranked}
    for offer in ranked:
        if refusals[offer.account_id] is None:
            return offer, _recorded(offer, ranked, refusals)
    raise _nothing(ranked, provider, now)


def _rank(offer: Offer, floor: float) -> tuple[bool, float, float, str]:
    headroom = _UNSEEN_HEADROOM if offer.headroom is None else offer.headroom
    used = offer.last_used_at.timestamp() if offer.last_used_at else 0.0
    return (not (offer.primary and headroom > floor), -headroom, used, offer.account_id)


def _refusal(offer: Offer) -> str | None:
    if not offer.ready:
        return offer.reason or NOT_READY
    if offer.headroom is not None and offer.headroom <= 0:
        return "exhausted"
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


def _nothing(
    offers: Sequence[Offer], provider: str, now: datetime
) -> AllAccountsCooling | NoFreeAccount:
    if any(offer.ready and offer.lease is None for offer in offers):
        return NoFreeAccount(
            f"Every ready {provider} account runs as many turns as it may. Try again shortly.",
            retry_after=1.0,
        )
    back = min((o.until for o in offers if not o.ready and o.until is not None), default=None)
    when = f"The first is ready again at {back.isoformat()}." if back else "An operator must look."
    return AllAccountsCooling(
        f"No {provider} account is ready: each waits for its quota or its rate limit. {when}",
        retry_after=max(0.0, (back - now).total_seconds()) if back else None,
    )
