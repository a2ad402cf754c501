"""Logging in and out: the only place that takes the passkey, and gives tokens for it."""

import attrs
from aiohttp import web

from codara.application.operators import Tokens
from codara.errors import InvalidRequest
from codara.http.addresses import client_address
from codara.http.answers import done
from codara.http.auth import bearer, operator_of
from codara.http.body import json_object
from codara.http.decoding import Fields
from codara.http.envelope import ok
from codara.http.requests import identity_of
from codara.http.services import SERVICES

routes = web.RouteTableDef()

_NAMES_OF_THE_SECRET = ("operator_secret", "operator_passkey", "api_token")


@routes.post("/management/v1/auth/token")
async def log_in(request: web.Request) -> web.Response:
    """An access token and a refresh token for who knows the passkey."""
    secret = _secret(Fields(await json_object(request)))
    tokens = await request.app[SERVICES].operators.login(
        secret, client_address(request), request_id=identity_of(request).request_id
    )
    return _answer(request, tokens)


@routes.post("/management/v1/auth/refresh")
async def refresh(request: web.Request) -> web.Response:
    """A fresh pair for a refresh token."""
    token = Fields(await json_object(request)).text("refresh_token")
    return _answer(request, await request.app[SERVICES].operators.refresh(token))


@routes.post("/management/v1/auth/logout")
async def log_out(request: web.Request) -> web.Response:
    """Ends the login the access token came of: its refresh tokens with it."""
    await operator_of(request)
    position = await request.app[SERVICES].operators.logout(
        bearer(request), request_id=identity_of(request).request_id
    )
    return await done(request, position, also={"logged_out": True})


def _secret(fields: Fields) -> str:
    for name in _NAMES_OF_THE_SECRET:
        secret = fields.maybe_text(name)
        if secret:
            return secret
    raise InvalidRequest("operator_secret is missing.", param="operator_secret")


def _answer(request: web.Request, tokens: Tokens) -> web.Response:
    response = ok(request, attrs.asdict(tokens))
    response.headers["Cache-Control"] = "no-store"
    return response
