"""What a turn works with: the log, the ports, the limits."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import attrs

from codara.application.deciding import Deciding
from codara.application.ports.agents import Agents
from codara.application.ports.secrets import Keys
from codara.application.ports.spool import Spool
from codara.application.ports.views import AccountStandings, LiveFeed
from codara.application.ports.workspaces import Workspaces
from codara.application.turns.finding import Finder
from codara.clock import Clock
from codara.events import streams
from codara.events.store.log import EventLog
from codara.ids import NewId


@attrs.frozen(kw_only=True)
class Patience:
    """How long a provider's agent may take, in seconds; a stall of 0 means never."""

    turn_timeout: float
    stall_timeout: float


@attrs.frozen(kw_only=True)
class TurnLimits:
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


class ReservedSlots:
    """Which lease slots the turns of this gateway hold or are about to take.

    Two turns that start at once try two different slots; whether a slot is free is for the log
    to decide.
    """

    def __init__(self) -> None:
        self._reserved: defaultdict[str, set[int]] = defaultdict(set)

    def reserve(self, kind: str, owner: str, cap: int) -> str | None:
        """The lease stream of the lowest slot below `cap` that is free; None if all are taken."""
        reserved = self._reserved[f"{kind}/{owner}"]
        slot = next((slot for slot in range(cap) if slot not in reserved), None)
        if slot is None:
            return None
        reserved.add(slot)
        return streams.lease(kind, owner, slot)

    def give(self, stream: str) -> None:
        """The slot of this lease stream is free again."""
        _, kind, owner, slot = stream.split("/")
        self._reserved[f"{kind}/{owner}"].discard(int(slot))
        if not self._reserved[f"{kind}/{owner}"]:
            del self._reserved[f"{kind}/{owner}"]


@attrs.frozen(kw_only=True)
class Context:
    """Everything that admitting, starting, running and finishing a turn needs."""

    log: EventLog
    deciding: Deciding
    workspaces: Workspaces
    agents: Agents
    spool: Spool
    keys: Keys
    standings: AccountStandings
    feed: LiveFeed
    finder: Finder
    clock: Clock
    new_id: NewId
    limits: TurnLimits
    jailed: bool
    slots: ReservedSlots = attrs.field(factory=ReservedSlots)
