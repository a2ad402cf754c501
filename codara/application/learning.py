"""Learning: each CLI is asked for its models as soon as it has an account to work on."""

from collections.abc import Sequence

import attrs

from codara.application.ports.agents import Agents
from codara.application.ports.views import AccountStandings
from codara.application.regularly import regularly
from codara.domain.account import READY

_PAUSE_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class Learning:
    """Has the CLIs of `providers` asked; a CLI without an account to work on is not started."""

    agents: Agents
    standings: AccountStandings
    providers: Sequence[str]

    async def keep(self, pause: float = _PAUSE_SECONDS) -> None:
        """Looks every `pause` seconds until it is cancelled."""
        await regularly(self.pass_over, pause, "no models are asked for at present")

    async def pass_over(self) -> None:
        """Has the CLI of each provider asked that has an account which can be lent now."""
        for provider in self.providers:
            standings = await self.standings.of_provider(provider)
            if any(standing.status == READY for standing in standings):
                self.agents.learn(provider)
