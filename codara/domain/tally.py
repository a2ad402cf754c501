"""The tally: the accounts of a provider counted by their true state, and why none can be lent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import attrs

from codara.domain import account
from codara.errors import AccountRefused, AllAccountsCooling, CodaraError, NoAccount, NoFreeAccount
from codara.events.vocabulary import PassedOver

BUSY = "busy"
"""Ready, but at work on as many turns as it may run."""
TRIED: PassedOver = "tried"
"""Ready by the log, but it failed a moment ago in the turn that asks."""

_ORDER = (
    account.READY,
    BUSY,
    TRIED,
    account.COOLDOWN,
    account.EXHAUSTED,
    account.ERROR,
    account.EXPIRED,
    account.DISABLED,
)
_WORDS = {
    account.READY: ("ready", "ready"),
    BUSY: ("busy", "busy"),
    TRIED: ("failed a moment ago", "failed a moment ago"),
    account.COOLDOWN: ("cooling down", "cooling down"),
    account.EXHAUSTED: ("exhausted", "exhausted"),
    account.ERROR: ("refused by its provider", "refused by their provider"),
    account.EXPIRED: ("expired", "expired"),
    account.DISABLED: ("disabled", "disabled"),
}
"""What is said of one account in a state, and of several."""

_BUSY_SECONDS = 1.0


@attrs.frozen
class Condition:
    """The true state of one account: an `AccountStatus`, `busy` or `tried`; and when it ends."""

    state: str
    until: datetime | None = None


def condition(
    status: str, until: datetime | None, full_until: datetime | None, now: datetime
) -> Condition:
    """Returns what the recorded status and the full windows of an account say together.

    `full_until` is when the last full window ends. An account that waits for both is in the state
    that ends last.
    """
    if status in account.PASSING and until is not None and until <= now:
        status = account.READY
    until = until if status in account.PASSING else None
    lendable = status == account.READY or status in account.PASSING
    if not lendable or full_until is None or full_until <= now:
        return Condition(status, until)
    if status in account.PASSING and (until is None or until >= full_until):
        return Condition(status, until)
    return Condition(account.EXHAUSTED, full_until)


@attrs.frozen(kw_only=True)
class Tally:
    """How many accounts of a provider are in each state, and when the first of them returns."""

    provider: str
    counts: Mapping[str, int]
    """By state, in the order in which they are told; a state without accounts is not in it."""
    ends: Mapping[str, datetime]
    """The earliest end of each state that ends by itself."""

    @property
    def total(self) -> int:
        """Returns the number of accounts."""
        return sum(self.counts.values())

    @property
    def back(self) -> datetime | None:
        """Returns when the first account is ready again by itself; None if none ever is."""
        return min(self.ends.values(), default=None)

    @property
    def may_be_lent(self) -> bool:
        """Tells whether a turn can run now, or as soon as another one ends."""
        return bool(self.counts.get(account.READY) or self.counts.get(BUSY))

    @property
    def is_for_an_operator(self) -> bool:
        """Tells whether nobody but an operator can have turns run again."""
        waits = self.may_be_lent or self.back is not None or self.counts.get(TRIED)
        return not waits

    def said(self, now: datetime) -> str:
        """Returns it in words, such as `2 codex accounts: 1 ready, 1 exhausted until 14:05 UTC`."""
        noun = "account" if self.total == 1 else "accounts"
        if not self.total:
            return f"no {self.provider} {noun}"
        parts = (self._part(state, count, now) for state, count in self.counts.items())
        return f"{self.total} {self.provider} {noun}: {', '.join(parts)}"

    def refusal(self, now: datetime) -> CodaraError | None:
        """Returns why no account can be lent; None if one is ready."""
        if self.counts.get(account.READY):
            return None
        if not self.total:
            return NoAccount(
                f"No {self.provider} account is registered. "
                "Add one with `codara account add`; only an operator can."
            )
        if self.counts.get(BUSY):
            return NoFreeAccount(
                f"Every ready {self.provider} account runs as many turns as it may "
                f"({self.said(now)}). Try again shortly.",
                retry_after=_BUSY_SECONDS,
            )
        if self.is_for_an_operator:
            return AccountRefused(
                f"No {self.provider} account can be used ({self.said(now)}). "
                "Only an operator can change that."
            )
        back = self.back
        return AllAccountsCooling(
            f"No {self.provider} account is ready now ({self.said(now)}).",
            retry_after=None if back is None else max(0.0, (back - now).total_seconds()),
        )

    def _part(self, state: str, count: int, now: datetime) -> str:
        one, several = _WORDS.get(state, (state, state))
        said = f"{count} {one if count == 1 else several}"
        end = self.ends.get(state)
        if end is None:
            return said
        return f"{said}{' until' if count == 1 else ', the first until'} {clock_time(end, now)}"


def tally(provider: str, conditions: Iterable[Condition]) -> Tally:
    """Counts the accounts of a provider; those that are removed do not count."""
    kept = [each for each in conditions if each.state != account.REMOVED]
    counts = Counter(each.state for each in kept)
    order = [*_ORDER, *sorted(counts.keys() - set(_ORDER))]
    ends: dict[str, datetime] = {}
    for each in kept:
        if each.until is not None:
            ends[each.state] = min(each.until, ends.get(each.state, each.until))
    return Tally(
        provider=provider,
        counts={state: counts[state] for state in order if counts[state]},
        ends=ends,
    )


def clock_time(moment: datetime, now: datetime) -> str:
    """Returns a moment as people read it: in UTC, with the date if it is not today's.

    It is rounded up to a whole second: at the time that is shown, a request can succeed.
    """
    if moment.microsecond:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    date = "" if moment.date() == now.date() else f"{moment:%Y-%m-%d} "
    return f"{date}{moment:%H:%M:%S}".removesuffix(":00") + " UTC"
