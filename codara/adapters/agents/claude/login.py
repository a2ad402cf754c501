"""A Claude subscription's login, as Claude Code writes it to `.credentials.json`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codara.adapters.logins.form import (
    Grant,
    Login,
    LoginForm,
    below,
    end_of,
    from_milliseconds,
    in_milliseconds,
    text,
)
from codara.application.ports.logins import Token
from codara.config.providers import Provider

CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
"""The public client id of the CLI itself: its logins belong to it."""
_PLACE = "claudeAiOauth"


class ClaudeForm:
    """One without a refresh token, as `claude setup-token` gives it, lasts as long as it lasts."""

    path = ".claude/.credentials.json"
    url = "https://platform.claude.com/v1/oauth/token"

    def token(self, login: Login) -> Token:
        held = below(login, _PLACE)
        end = from_milliseconds(held.get("expiresAt"))
        return Token(value=text(held, "accessToken"), expires_at=end)

    async def grant(self, login: Login) -> Grant | None:
        held = below(login, _PLACE)
        if not held.get("refreshToken"):
            return None
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": text(held, "refreshToken"),
            "client_id": CLIENT_ID,
        }
        scopes = held.get("scopes")
        if isinstance(scopes, list) and scopes:
            fields["scope"] = " ".join(str(scope) for scope in scopes)
        return Grant(fields=fields, as_json=True)

    def renewed(self, login: Login, answer: Mapping[str, Any], now: datetime) -> Login:
        new: Login = {
            "accessToken": text(answer, "access_token"),
            "expiresAt": in_milliseconds(end_of(answer, now)),
        }
        if isinstance(answer.get("refresh_token"), str):
            new["refreshToken"] = answer["refresh_token"]
        return {**login, _PLACE: below(login, _PLACE) | new}


def form(_: Provider) -> LoginForm:
    """Returns the form of this vendor's logins."""
    return ClaudeForm()
