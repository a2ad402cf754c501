"""Providers: which of them can run no turn now, and what each lacks."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from codara.application.ports.agents import Agents
from codara.application.ports.views import AccountStandings
from codara.clock import Clock
from codara.domain.tally import Tally, condition, tally
from codara.errors import CodaraError


@attrs.frozen(kw_only=True)
class LendableProviders:
    """Tells whether an account of a provider may be lent at this moment."""

    standings: AccountStandings
    clock: Clock

    async def __call__(self, provider: str) -> bool:
        counted = await counted_accounts(self.standings, provider, self.clock())
        return counted.may_be_lent


async def counted_accounts(standings: AccountStandings, provider: str, now: datetime) -> Tally:
    """Returns the tally of a provider's registered accounts."""
    found = await standings.of_provider(provider)
    states = [condition(each.status, each.until, each.full_until, now) for each in found]
    return tally(provider, states)


@attrs.frozen(kw_only=True)
class ProviderWarnings:
    """Tells what the providers of a gateway lack: a program, an account, or one that may be lent.

    Each call asks what is known at that moment, so that accounts that come and go count at once.
    """

    agents: Agents
    standings: AccountStandings
    providers: Sequence[str]
    clock: Clock

    async def __call__(self) -> list[str]:
        """Returns a line for each lack, in the order of the providers; names no path and no id."""
        return [line for provider in self.providers for line in await self._of(provider)]

    async def _of(self, provider: str) -> list[str]:
        lacks = (
            [] if await self._is_installed(provider) else [f"{provider}: its program is missing"]
        )
        now = self.clock()
        counted = await counted_accounts(self.standings, provider, now)
        if not counted.total:
            lacks.append(f"{provider}: no account is registered")
        elif not counted.may_be_lent:
            lacks.append(f"{provider}: no account may be lent ({counted.said(now)})")
        return lacks

    async def _is_installed(self, provider: str) -> bool:
        try:
            await self.agents.models(provider)
        except CodaraError:
            return False
        return True
