"""Planes: who may ask what; the guard of each hands the caller to the handler."""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import attrs
from aiohttp import web

from codara.application.callers import Caller
from codara.application.operators import NOBODY
from codara.errors import InvalidApiKey
from codara.http.services import SERVICES

_USER_KEY = "uagk_"


class Actor(Protocol):
    """Somebody who asks; `actor` is how an event's envelope names them."""

    @property
    def actor(self) -> str: ...


C = TypeVar("C", bound=Actor)


@attrs.frozen
class Anybody:
    """Somebody who has shown nothing."""

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
    """Lets a request in and says who asks, or raises InvalidApiKey or UserSuspended."""

    name: str
    admit: Callable[[web.Request], Awaitable[C]]


async def _anybody(_: web.Request) -> Anybody:
    return Anybody()


async def _caller(request: web.Request) -> Caller:
    services = request.app[SERVICES]
    token = token_of(request.headers.get("Authorization", ""))
    if token.startswith(_USER_KEY):
        return await services.users.authenticate(token)
    operator_id = await services.operators.verify(token)
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
"""Lets everybody in."""
CALLER: Guard[Caller] = Guard("caller", _caller)
"""Lets in a user's key, or an operator, whose turns run as the Dashboard Admin."""
USER: Guard[Caller] = Guard("user", _user)
"""Lets in a user's key alone."""
OPERATOR: Guard[Operator] = Guard("operator", _operator)
"""Lets in an operator's access token alone."""


def token_of(authorization: str) -> str:
    """Reads the token of an `Authorization` header; InvalidApiKey if there is none."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or not token:
        raise InvalidApiKey("Send `Authorization: Bearer <key>` with a key of this gateway.")
    return token
