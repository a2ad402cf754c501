"""Logging in and out: the only place that takes the passkey, and gives tokens for it."""

import attrs

from codara.application.operators import Tokens
from codara.errors import InvalidRequest
from codara.http.answers import done
from codara.http.envelope import Answer
from codara.http.planes import ANYBODY, OPERATOR, Anybody, Operator, token_of
from codara.http.routing import Asked, Routes
from codara.http.shapes import Nothing

open_routes = Routes(ANYBODY, "/management/v1")
routes = Routes(OPERATOR, "/management/v1")


@attrs.frozen(kw_only=True)
class Login:
    """The passkey, under any of its names."""

    operator_secret: str | None = attrs.field(default=None, repr=False)
    operator_passkey: str | None = attrs.field(default=None, repr=False)
    api_token: str | None = attrs.field(default=None, repr=False)

    def secret(self) -> str:
        """Reads the passkey; InvalidRequest if it is missing."""
        secret = self.operator_secret or self.operator_passkey or self.api_token
        if not secret:
            raise InvalidRequest("operator_secret is missing.", param="operator_secret")
        return secret


@attrs.frozen(kw_only=True)
class Refresh:
    """A refresh token."""

    refresh_token: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class LoggedOut:
    """Says that a login is over."""

    logged_out: bool = True


@open_routes.post("/auth/token", body=Login, answer=Tokens)
async def log_in(asked: Asked[Anybody, Nothing, Login]) -> Answer[Tokens]:
    """Gives an access token and a refresh token to who knows the passkey."""
    tokens = await asked.services.operators.login(asked.body.secret(), asked.address, asked.cause)
    return Answer(data=tokens, secret=True)


@open_routes.post("/auth/refresh", body=Refresh, answer=Tokens)
async def refresh(asked: Asked[Anybody, Nothing, Refresh]) -> Answer[Tokens]:
    """Gives a fresh pair for a refresh token, which the new one replaces."""
    tokens = await asked.services.operators.refresh(asked.body.refresh_token, asked.cause)
    return Answer(data=tokens, secret=True)


@routes.post("/auth/logout", body=Nothing, answer=LoggedOut)
async def log_out(asked: Asked[Operator, Nothing, Nothing]) -> Answer[LoggedOut]:
    """Ends the login that the access token came of, and its refresh tokens."""
    token = token_of(asked.authorization)
    position = await asked.services.operators.logout(token, asked.cause)
    return await done(asked, position, data=LoggedOut())
