"""Has every CLI asked what it lists, as soon as there is an account for it."""

from collections.abc import Sequence

import attrs

from codara.application.ports.agents import Agents
from codara.application.ports.views import AccountStandings
from codara.application.regularly import regularly
from codara.domain.account import READY

_PAUSE_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Learning:
    """Looks at the accounts of `providers`; an agent that has none to work on is not started."""

    agents: Agents
    standings: AccountStandings
    providers: Sequence[str]

    async def keep(self, pause: float = _PAUSE_SECONDS) -> None:
        """Looks again and again, until it is cancelled."""
        await regularly(self.pass_over, pause, "no models are asked for at present")

    async def pass_over(self) -> None:
        """Has those asked that have an account which can be lent now."""
        for provider in self.providers:
            standings = await self.standings.of_provider(provider)
            if any(standing.status == READY for standing in standings):
                self.agents.learn(provider)
