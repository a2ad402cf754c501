"""A Google login, as the gemini CLI writes it to `oauth_creds.json`."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.gemini.program import find_gemini
from codara.adapters.logins.form import (
    Grant,
    Login,
    LoginForm,
    end_of,
    from_milliseconds,
    in_milliseconds,
    text,
)
from codara.application.ports.logins import Token
from codara.config.providers import Provider
from codara.errors import AgentFailed

_TOKENS = ("access_token", "refresh_token", "id_token", "scope", "token_type")
_NAMES = {"client_id": rb"OAUTH_CLIENT_ID", "client_secret": rb"OAUTH_CLIENT_SECRET"}
_UNKNOWN = (
    "the gemini program does not tell its OAuth client; "
    "write its `client_id` and `client_secret` into the login file and hand it in again"
)

Texts = Callable[[], Iterable[Path]]


@attrs.define
class GeminiForm:
    """Google asks for the client's id and its public secret: those in the login, else the CLI's.

    `texts` finds the files of the installed program that may hold them; it may touch the disk,
    and raise AgentFailed.
    """

    texts: Texts
    path: str = ".gemini/oauth_creds.json"
    url: str = "https://oauth2.googleapis.com/token"
    _client: Mapping[str, str] | None = None

    def token(self, login: Login) -> Token:
        end = from_milliseconds(login.get("expiry_date"))
        return Token(value=text(login, "access_token"), expires_at=end)

    async def grant(self, login: Login) -> Grant | None:
        if not login.get("refresh_token"):
            return None
        fields = {
            "grant_type": "refresh_token",
            "refresh_token": text(login, "refresh_token"),
            **await self._of_client(login),
        }
        return Grant(fields=fields, as_json=False)

    def renewed(self, login: Login, answer: Mapping[str, Any], now: datetime) -> Login:
        new = {name: answer[name] for name in _TOKENS if isinstance(answer.get(name), str)}
        return {**login, **new, "expiry_date": in_milliseconds(end_of(answer, now))}

    async def _of_client(self, login: Login) -> Mapping[str, str]:
        if login.get("client_id") and login.get("client_secret"):
            return {name: text(login, name) for name in _NAMES}
        if self._client is None:
            self._client = await asyncio.to_thread(lambda: client_in(self.texts()))
        return self._client


def client_in(files: Iterable[Path]) -> Mapping[str, str]:
    """The OAuth client that a program's text names; AgentFailed if none of the files does."""
    for file in files:
        try:
            said = file.read_bytes()
        except OSError:
            continue
        found = {name: re.search(rb'%s = "([^"]+)"' % word, said) for name, word in _NAMES.items()}
        client = {name: match[1].decode() for name, match in found.items() if match}
        if len(client) == len(_NAMES):
            return client
    raise AgentFailed(_UNKNOWN, cause="auth_failed")


def form(settings: Provider) -> LoginForm:
    """Returns the form of Google's logins."""
    return GeminiForm(lambda: sorted(find_gemini(settings.binary).path.parent.glob("*.js")))
