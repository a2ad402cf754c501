"""What a turn works with: the log, the ports, the limits."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import attrs

from codara.application.deciding import Deciding
from codara.application.ports import (
    AccountStandings,
    Agents,
    Keys,
    LiveFeed,
    Spool,
    Workspaces,
)
from codara.clock import Clock
from codara.events.log import EventLog
from codara.ids import NewId


@attrs.frozen(kw_only=True)
class Patience:
    """How long a provider's agent may take, in seconds; a stall of 0 means never."""

    turn_timeout: float
    stall_timeout: float


@attrs.frozen(kw_only=True)
class Limits:
    """The bounds of `codara.toml` that turns keep."""

    max_concurrency: int
    queue_limit: int
    queue_timeout: float
    session_ttl: timedelta
    disconnect_grace: float
    keyed_disconnect_grace: float
    account_slots: int
    primary_floor: float
    cooldown: timedelta
    patience: Mapping[str, Patience]


class Slots:
    """Which lease slots this gateway has taken, so that a turn tries those that are likely free.

    A hint: the log decides.
    """

    _TRIED_AT_ONCE = 4

    def __init__(self) -> None:
        self._taken: defaultdict[str, set[int]] = defaultdict(set)

    def likely_free(self, owner: str, cap: int) -> tuple[int, ...]:
        """The first few slots below `cap` that this gateway does not hold."""
        taken = self._taken.get(owner, set())
        free: list[int] = []
        for slot in range(cap):
            if slot not in taken:
                free.append(slot)
            if len(free) == self._TRIED_AT_ONCE:
                break
        return tuple(free)

    def take(self, stream: str) -> None:
        """The lease of `stream` was taken."""
        owner, _, slot = stream.rpartition("/")
        self._taken[owner].add(int(slot))

    def give(self, stream: str) -> None:
        """The lease of `stream` was released."""
        owner, _, slot = stream.rpartition("/")
        self._taken[owner].discard(int(slot))
        if not self._taken[owner]:
            del self._taken[owner]


@attrs.frozen(kw_only=True)
class Means:
    """Everything that admitting, starting, running and finishing a turn needs."""

    log: EventLog
    deciding: Deciding
    workspaces: Workspaces
    agents: Agents
    spool: Spool
    keys: Keys
    standings: AccountStandings
    feed: LiveFeed
    clock: Clock
    new_id: NewId
    limits: Limits
    jailed: bool
    slots: Slots = attrs.field(factory=Slots)
