"""Lends an account's key to a turn: the broker sends it, the jail never sees it."""

import attrs

from codara.adapters.agents.listening import Listening
from codara.adapters.jail.spec import Lending
from codara.application.ports.agents import AgentTurn
from codara.application.ports.secrets import Vault


@attrs.frozen
class Lender:
    """Knows the vault and where requests go."""

    vault: Vault
    base_url: str

    async def lend(self, turn: AgentTurn, current: Listening) -> Lending:
        """The lending of the turn's account; NotFound if it has no credential."""
        credential = await self.vault.credential(turn.account_id)
        return current.lending(self.base_url, credential.decode("utf-8").strip())
