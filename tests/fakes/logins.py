"""Logins, and the tokens they give."""

from codara.application.ports.logins import Token
from codara.errors import AgentFailed, NotFound

ACCOUNT_HEADER = "chatgpt-account-id"


class FakeLogins:
    """A token for each account; one that was refused is replaced, while the login goes on."""

    def __init__(self) -> None:
        self.worn: dict[str, int] = {}
        self.over = False

    def token_of(self, account_id: str) -> str:
        return f"real-token-{self.worn.get(account_id, 0)}-of-{account_id}"

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        if refused and self.over:
            raise AgentFailed("the login is over: invalid_grant", cause="auth_failed")
        if refused == self.token_of(account_id):
            self.worn[account_id] = self.worn.get(account_id, 0) + 1
        headers = {ACCOUNT_HEADER: f"id-of-{account_id}"} if provider == "codex" else {}
        return Token(value=self.token_of(account_id), expires_at=None, headers=headers)


class GoneLogins:
    """A login that was removed."""

    async def token(self, provider: str, account_id: str, *, refused: str = "") -> Token:
        raise NotFound(f"{account_id} has no credential")
