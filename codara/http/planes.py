"""Planes: groups of routes with one guard each, which hands the caller to the handler."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import attrs
from aiohttp import web

from codara.application.callers import Caller
from codara.application.operators import NOBODY
from codara.application.tokens import ForeignToken
from codara.errors import InvalidApiKey
from codara.http.services import SERVICES

_USER_KEY = "uagk_"
_KEY_HEADERS = ("x-api-key", "api-key")
"""Where clients of Anthropic's and of Azure's API put their key."""


class Actor(Protocol):
    """Somebody who sends a request; `actor` is their name in an event's envelope."""

    @property
    def actor(self) -> str: ...


C = TypeVar("C", bound=Actor)


@attrs.frozen
class Anybody:
    """Somebody who has shown no key or token."""

    actor: str = NOBODY


@attrs.frozen
class Operator:
    """An operator who is logged in."""

    operator_id: str
    actor: str = attrs.field()

    @actor.default
    def _named(self) -> str:
        return f"operator:{self.operator_id}"


@attrs.frozen
class Guard(Generic[C]):
    """Admits a request and returns who sent it; or InvalidApiKey or UserSuspended."""

    name: str
    admit: Callable[[web.Request], Awaitable[C]]


async def _anybody(_: web.Request) -> Anybody:
    return Anybody()


async def _caller(request: web.Request) -> Caller:
    services = request.app[SERVICES]
    token = _key_of(request)
    if token.startswith(_USER_KEY):
        return await services.users.authenticate(token)
    try:
        operator_id = await services.operators.verify(token)
    except ForeignToken as foreign:
        raise InvalidApiKey(
            f"This API key is not one of this gateway's. Its keys begin with {_USER_KEY}; "
            "an operator makes them."
        ) from foreign
    return await services.users.caller_for_operator(operator_id)


async def _user(request: web.Request) -> Caller:
    caller = await _caller(request)
    if caller.operator_id is not None:
        raise InvalidApiKey("This is for users' keys; operators ask /management/v1.")
    return caller


async def _operator(request: web.Request) -> Operator:
    token = token_of(request.headers.get("Authorization", ""))
    if token.startswith(_USER_KEY):
        raise InvalidApiKey("A user's key opens /v1 only; this is for operators.")
    return Operator(await request.app[SERVICES].operators.verify(token))


ANYBODY: Guard[Anybody] = Guard("anybody", _anybody)
"""Admits everybody."""
CALLER: Guard[Caller] = Guard("caller", _caller)
"""Admits a user's key, or an operator, whose turns run as the Dashboard Admin."""
USER: Guard[Caller] = Guard("user", _user)
"""Admits a user's key alone."""
OPERATOR: Guard[Operator] = Guard("operator", _operator)
"""Admits an operator's access token alone."""


def _key_of(request: web.Request) -> str:
    """Returns the bearer token, else the key in a header of its own; InvalidApiKey without both."""
    authorization = request.headers.get("Authorization", "")
    if not authorization.lower().startswith("bearer "):
        for name in _KEY_HEADERS:
            key = request.headers.get(name, "").strip()
            if key:
                return token_of(f"Bearer {key}")
    return token_of(authorization)


def token_of(authorization: str) -> str:
    """Returns the token of an `Authorization` header; InvalidApiKey if there is no token."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or not token:
        raise InvalidApiKey("Send `Authorization: Bearer <key>` with a key of this gateway.")
    return token
