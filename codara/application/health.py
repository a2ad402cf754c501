"""Health: whether this gateway can do its work now, why not, and what else is in trouble."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs

from codara.events.store.follower import FollowerStanding

logger = logging.getLogger(__name__)

Check = Callable[[], Sequence[str]]
Ask = Callable[[], Awaitable[Sequence[str]]]
Standings = Callable[[], Sequence[FollowerStanding]]

LAG_SECONDS = 5.0
ASKING_SECONDS = 2.0
UNKNOWN = "what the providers lack cannot be told at present"
READ_MODELS = "views."
"""The names of followers that are read models begin with this."""


@attrs.define
class Followers:
    """Lists everything that follows the log, by name."""

    told: list[Standings] = attrs.field(factory=list)
    """Each function tells of one follower, or of several that share their work."""

    def add(self, standings: Standings) -> None:
        """Adds the followers that `standings` tells of."""
        self.told.append(standings)

    def standings(self) -> list[FollowerStanding]:
        """Returns how each follower does now, in the order of their names."""
        every = [standing for told in self.told for standing in told()]
        return sorted(every, key=lambda standing: standing.name)


@attrs.define
class Health:
    """Asks every part that could keep a gateway from its work, all followers, and the providers.

    `lacks` is asked what the providers lack; with None they lack nothing. `under_way` tells what
    is being done beside the work.
    """

    checks: list[Check] = attrs.field(factory=list)
    followers: Followers = attrs.field(factory=Followers)
    lacks: Ask | None = None
    under_way: list[Check] = attrs.field(factory=list)

    def reasons(self) -> list[str]:
        """Returns why the gateway cannot do its work, one line for each; empty if it can."""
        essential = [each for each in self.standings() if each.essential]
        found = [reason for check in self.checks for reason in check()]
        return [*found, *_troubles(essential), *_lags(essential)]

    async def warnings(self) -> list[str]:
        """Returns what keeps turns of single providers from running, one line for each.

        If that cannot be found out within 2 s, this is the one line.
        """
        if self.lacks is None:
            return []
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                return list(await self.lacks())
        except Exception:
            logger.exception(UNKNOWN)
            return [UNKNOWN]

    def progress(self) -> list[str]:
        """Returns what is under way and nobody has to act on, one line for each."""
        return [line for check in self.under_way for line in check()]

    def degraded_by(self) -> list[str]:
        """Returns what is in trouble outside although turns can run, one line for each."""
        return _troubles(each for each in self.standings() if not each.essential)

    def standings(self) -> list[FollowerStanding]:
        """Returns how each follower of the log does now, in the order of their names."""
        return self.followers.standings()


def _troubles(standings: Iterable[FollowerStanding]) -> list[str]:
    return [f"{_called(each)}: {each.trouble}" for each in standings if each.trouble is not None]


def _lags(standings: Sequence[FollowerStanding]) -> list[str]:
    """Names the read models in one line, because one reader serves them all."""
    late = [each for each in standings if each.trouble is None and each.lag_seconds > LAG_SECONDS]
    views = [each.lag_seconds for each in late if _is_read_model(each)]
    told = [f"the read models are {max(views):.0f} s behind the log"] if views else []
    return told + [
        f"{_called(each)} is {each.lag_seconds:.0f} s behind the log"
        for each in late
        if not _is_read_model(each)
    ]


def _called(standing: FollowerStanding) -> str:
    kind = "read model" if _is_read_model(standing) else "follower"
    return f"{kind} {standing.name.removeprefix(READ_MODELS)}"


def _is_read_model(standing: FollowerStanding) -> bool:
    return standing.name.startswith(READ_MODELS)
