"""Where logins are refreshed: a token endpoint with a memory, for the demo's model server."""

import base64
import itertools
import json
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs
from aiohttp import web

REMEMBERED = 100
LASTS_SECONDS = 3600


@attrs.frozen
class AskedToken:
    """One refresh that was asked for."""

    refresh_token: str
    client_id: str


class TokenEndpoint:
    """The routes of one server.

    `refresh_tokens` are those that are good, each for one refresh: its answer holds the next one.
    `issued` are the access tokens it gave, each good for an hour; `asked` is what it was asked.
    With `broken` it answers with that status instead.
    """

    def __init__(self) -> None:
        self.refresh_tokens: set[str] = set()
        self.asked: deque[AskedToken] = deque(maxlen=REMEMBERED)
        self.issued: list[str] = []
        self.broken: int | None = None
        self._numbers = itertools.count(1)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/oauth/token", self._token)

    async def _token(self, request: web.Request) -> web.Response:
        form = await _form(request)
        shown = str(form.get("refresh_token", ""))
        self.asked.append(AskedToken(shown, str(form.get("client_id", ""))))
        if self.broken is not None:
            return web.json_response({"error": "temporarily_unavailable"}, status=self.broken)
        if shown not in self.refresh_tokens:
            refused = {"error": "invalid_grant", "error_description": f"{shown} is not known"}
            return web.json_response(refused, status=400)
        self.refresh_tokens.discard(shown)
        return web.json_response(self._grant())

    def _grant(self) -> Mapping[str, Any]:
        number = next(self._numbers)
        access = signed({"sub": f"login-{number}", "exp": int(time.time()) + LASTS_SECONDS})
        refresh = f"refresh-{number}"
        self.issued.append(access)
        self.refresh_tokens.add(refresh)
        return {"access_token": access, "refresh_token": refresh, "expires_in": LASTS_SECONDS}


def signed(claims: Mapping[str, Any]) -> str:
    """Returns a token that tells its claims, as OpenAI's do; nobody signed it."""
    return ".".join((_part({"alg": "none"}), _part(claims), _part({})))


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def _form(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "application/json":
        body = await request.json()
        return body if isinstance(body, dict) else {}
    return await request.post()
