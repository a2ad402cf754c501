"""Who is asking: a user by key, or an operator by access token; never both on one plane."""

from aiohttp import web

from codara.application.callers import Caller
from codara.errors import InvalidApiKey
from codara.http.services import SERVICES

_USER_KEY = "uagk_"


async def caller_of(request: web.Request) -> Caller:
    """The caller of `/v1`: a user's key, or an operator, whose turns run as the Dashboard Admin.

    InvalidApiKey for anything else; UserSuspended where the user may not ask at present.
    """
    services = request.app[SERVICES]
    token = bearer(request)
    if token.startswith(_USER_KEY):
        return await services.users.authenticate(token)
    operator_id = await services.operators.verify(token)
    return await services.users.caller_for_operator(operator_id)


async def operator_of(request: web.Request) -> str:
    """The operator's id; InvalidApiKey for a user's key and for all else but an access token."""
    token = bearer(request)
    if token.startswith(_USER_KEY):
        raise InvalidApiKey("A user's key opens /v1 only; this is for operators.")
    return await request.app[SERVICES].operators.verify(token)


def bearer(request: web.Request) -> str:
    """The token the request carries; InvalidApiKey if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or not token:
        raise InvalidApiKey("Send `Authorization: Bearer <key>` with a key of this gateway.")
    return token
