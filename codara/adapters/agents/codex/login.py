"""A ChatGPT login, as `codex login` writes it to `auth.json`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from codara.adapters.logins.form import Grant, Login, LoginForm, below, text
from codara.application.ports.logins import Token
from codara.claims import claims_of
from codara.config.providers import Provider

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
"""The public client id of the CLI itself: its logins belong to it."""
_CLAIMS = "https://api.openai.com/auth"
_TOKENS = ("id_token", "access_token", "refresh_token")


class CodexForm:
    """The access token tells its own end; requests name the ChatGPT account besides."""

    path = ".codex/auth.json"
    url = "https://auth.openai.com/oauth/token"

    def token(self, login: Login) -> Token:
        held = below(login, "tokens")
        value = text(held, "access_token")
        account = held.get("account_id") or _account(held.get("id_token")) or _account(value)
        headers = {"chatgpt-account-id": account} if isinstance(account, str) else {}
        return Token(value=value, expires_at=_end_of(value), headers=headers)

    async def grant(self, login: Login) -> Grant | None:
        fields = {
            "client_id": CLIENT_ID,
            "grant_type": "refresh_token",
            "refresh_token": text(below(login, "tokens"), "refresh_token"),
        }
        return Grant(fields=fields, as_json=True)

    def renewed(self, login: Login, answer: Mapping[str, Any], now: datetime) -> Login:
        new = {name: answer[name] for name in _TOKENS if isinstance(answer.get(name), str)}
        at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {**login, "tokens": below(login, "tokens") | new, "last_refresh": at}


def _account(jwt: object) -> object:
    return below(claims_of(jwt), _CLAIMS).get("chatgpt_account_id")


def _end_of(access_token: str) -> datetime | None:
    end = claims_of(access_token).get("exp")
    return datetime.fromtimestamp(end, UTC) if isinstance(end, int | float) else None


def form(_: Provider) -> LoginForm:
    """Returns the form of this vendor's logins."""
    return CodexForm()
