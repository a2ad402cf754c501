"""Descriptors of the process: how many there may be, and what they are shared out to."""

import os
import resource

import attrs

from codara.adapters.jail.spec import JailLimits
from codara.config.settings import Settings
from codara.errors import ConfigInvalid
from codara.http.connections import RESERVE, DoorBounds

HOUSE = 192
"""For the log, the read models, the vault, worker threads, and requests to providers."""
BURST = 128
"""Connections that the kernel hands over at once, before any of them can be closed."""
PER_TURN = 24
"""For a turn: the pipes and doors of its agent, its requests, its spool and its workspace."""
LEAST_CONNECTIONS = 64
_OWN = "/proc/self/fd"


@attrs.frozen
class Share:
    """What a limit of open files comes to: `connections` at the doors, `least` for a start."""

    limit: int
    least: int
    connections: int

    @property
    def refusal(self) -> str:
        """Why a gateway does not start with this limit; empty if it does."""
        if self.limit >= self.least:
            return ""
        return (
            f"The limit of open files is {self.limit}, and at least {self.least} are needed for "
            "orchestrator.max_concurrency and the jails. Raise the hard limit (`ulimit -Hn`, or "
            "LimitNOFILE= of the systemd unit), or let fewer turns run at the same time."
        )


def shared(settings: Settings, limit: int) -> Share:
    """Returns how a limit is shared out with these settings."""
    turns = settings.orchestrator.max_concurrency
    spared = HOUSE + BURST + RESERVE + PER_TURN * turns
    least = max(spared + LEAST_CONNECTIONS, JailLimits().open_files)
    return Share(limit, least, min(settings.server.max_connections, limit - spared))


def hard_limit() -> int:
    """Returns how many descriptors this process may ever have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def raise_limit(settings: Settings) -> Share:
    """Raises the soft limit to the hard one; ConfigInvalid if even that is too small."""
    hard = hard_limit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    share = shared(settings, hard)
    if share.refusal:
        raise ConfigInvalid(share.refusal)
    return share


def door_bounds(settings: Settings) -> DoorBounds:
    """Returns how many connections the doors take, with the limit as it is now."""
    share = shared(settings, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    each = min(settings.server.max_connections_per_address, share.connections)
    return DoorBounds(total=share.connections, per_address=each)


def run_short() -> bool:
    """Tells whether there are hardly enough descriptors left for two more turns."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft - len(os.listdir(_OWN)) < 2 * PER_TURN  # noqa: PTH208 - names are enough
