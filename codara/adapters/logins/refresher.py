"""Refreshes logins at the vendors' token endpoints."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from codara.adapters.logins.form import Grant, LoginForm, read
from codara.application.ports.logins import Token
from codara.clock import Clock, utc_now
from codara.errors import AgentFailed

SECONDS = 20.0
_LONGEST_ANSWER = 256 * 1024
_LONGEST_CODE = 40
_REFUSED = frozenset({400, 401})
_OVER = "log in again with the CLI and hand in its login file"


class VendorRefresher:
    """Satisfies `ports.Refresher`. `urls` are endpoints other than the vendors' own."""

    def __init__(
        self, forms: Mapping[str, LoginForm], urls: Mapping[str, str], clock: Clock = utc_now
    ) -> None:
        self._forms = dict(forms)
        self._urls = dict(urls)
        self._clock = clock

    def token(self, provider: str, login: bytes) -> Token:
        """See `ports.Refresher.token`."""
        return self._form(provider).token(read(login))

    async def refresh(self, provider: str, login: bytes) -> bytes:
        """See `ports.Refresher.refresh`."""
        form, held = self._form(provider), read(login)
        grant = await form.grant(held)
        if grant is None:
            raise _over("its access token has ended, and it holds no refresh token")
        answer = await self._asked(self._urls.get(provider) or form.url, grant)
        if not isinstance(answer.get("access_token"), str):
            raise _over("the vendor's answer holds no access token")
        renewed = form.renewed(held, answer, self._clock())
        return json.dumps(renewed, separators=(",", ":")).encode()

    def _form(self, provider: str) -> LoginForm:
        form = self._forms.get(provider)
        if form is None:
            raise _over(f"{provider} has no logins that can be lent")
        return form

    async def _asked(self, url: str, grant: Grant) -> Mapping[str, Any]:
        host = urlsplit(url).hostname or url
        try:
            async with (
                asyncio.timeout(SECONDS),
                aiohttp.ClientSession() as session,
                session.post(url, allow_redirects=False, **_written(grant)) as response,
            ):
                status = response.status
                body = await _whole(response.content)
        except (aiohttp.ClientError, TimeoutError, OSError) as failure:
            raise _unknown(f"{host} cannot be reached ({type(failure).__name__})") from None
        if status in _REFUSED and _is_object(body):
            raise _over(f"{host} refuses to refresh it ({_code(body) or status})")
        if status != 200:
            raise _unknown(f"{host} answers {status}")
        return _parsed(body)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    held = bytearray()
    async for chunk in content.iter_any():
        held += chunk
        if len(held) > _LONGEST_ANSWER:
            raise _unknown("the token endpoint answers at too great length")
    return bytes(held)


def _written(grant: Grant) -> dict[str, Any]:
    fields = dict(grant.fields)
    return {"json": fields} if grant.as_json else {"data": fields}


def _parsed(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _unknown("the token endpoint does not answer in JSON")
    return answer


def _is_object(body: bytes) -> bool:
    """Whether it can be the vendor's own refusal; a page of something in between cannot."""
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _code(body: bytes) -> str:
    """The OAuth error's code: a word, never the vendor's text, which may repeat a token."""
    try:
        error = json.loads(body)["error"]
        code = error.get("code") if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    if not isinstance(code, str) or len(code) > _LONGEST_CODE:
        return ""
    return code if code.replace("_", "").isalpha() else ""


def _over(why: str) -> AgentFailed:
    return AgentFailed(f"the login is over: {why}; {_OVER}", cause="auth_failed")


def _unknown(why: str) -> AgentFailed:
    return AgentFailed(f"the login could not be refreshed: {why}", cause="overloaded")
