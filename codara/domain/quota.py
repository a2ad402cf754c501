"""The quota of an account: the windows that its provider reported last."""

from datetime import datetime

import attrs

from codara.events.account import QuotaObserved, QuotaWindow
from codara.events.base import Event

FORGOTTEN = "operator"
"""The source of an observation without windows: an operator's word that none is full."""

_FULL = 100.0


@attrs.frozen(kw_only=True)
class Quota:
    """The folded state of a quota stream."""

    windows: tuple[QuotaWindow, ...] = ()

    def is_full(self, now: datetime) -> bool:
        """Tells whether a window is used up; one that does not say when it ends counts."""
        full = (each for each in self.windows if (each.used_percent or 0.0) >= _FULL)
        return any(each.resets_at is None or each.resets_at > now for each in full)


EMPTY = Quota()


def evolve(state: Quota, event: Event) -> Quota:
    """Returns the state after one more event."""
    return Quota(windows=event.windows) if isinstance(event, QuotaObserved) else state


def forget(account_id: str) -> list[Event]:
    """Forgets what was reported: nothing is known of the windows until the provider speaks."""
    return [QuotaObserved(account_id=account_id, source=FORGOTTEN, windows=())]
