"""Lends an account to a turn: the broker sends its secret, the jail never sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from codara.adapters.agents.session.listening import Listening
from codara.adapters.egress.lending import Lending
from codara.application.ports.agents import AgentTurn
from codara.application.ports.logins import Logins, Token
from codara.application.ports.secrets import Vault
from codara.errors import AgentFailed, NotFound


@attrs.frozen
class Lender:
    """Knows the vault and the logins, and where requests on either go.

    `login_base_url` is empty where there is nowhere to go with a login.
    """

    vault: Vault
    logins: Logins
    base_url: str
    login_base_url: str

    async def lend(self, turn: AgentTurn, current: Listening) -> Lending:
        """Returns the lending of the turn's account.

        AgentFailed if it was removed meanwhile, or is a login that has ended.
        """
        if turn.on_login:
            return await self._lend_login(turn, current)
        with _still_there(turn):
            credential = await self.vault.credential(turn.account_id)
        return current.lending(self.base_url, credential.decode("utf-8").strip())

    async def _lend_login(self, turn: AgentTurn, current: Listening) -> Lending:
        """Its token is asked for before every request, as it may end in the middle of the turn."""
        if not self.login_base_url:
            raise AgentFailed(f"{turn.provider} has no logins to lend", cause="auth_failed")

        async def fresh(refused: str) -> Lending:
            with _still_there(turn):
                token = await self.logins.token(turn.provider, turn.account_id, refused=refused)
            return attrs.evolve(current.login(self.login_base_url, token), fresh=fresh)

        return await fresh("")


class NoLogins:
    """Satisfies `Logins` where no account is a login."""

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        raise AgentFailed("no logins are lent here", cause="auth_failed")


@contextmanager
def _still_there(turn: AgentTurn) -> Iterator[None]:
    try:
        yield
    except NotFound as missing:
        text = f"account {turn.account_id} was removed, or holds no credential any more"
        raise AgentFailed(text, cause="account_gone") from missing
