"""Operators: the passkey is exchanged for tokens; everything else asks for a token."""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from codara.application.deciding import Deciding
from codara.application.logins import LoginGuard, origin_of
from codara.application.tokens import (
    ACCESS,
    LIFETIMES,
    REFRESH,
    Claims,
    TokenMint,
    fresh_token_id,
)
from codara.clock import Clock
from codara.domain import operator
from codara.errors import InvalidApiKey, RateLimited
from codara.events import streams
from codara.events.base import Cause
from codara.events.operator import LoginRefused, OperatorLoggedIn
from codara.ids import NewId

LOCAL_OPERATOR: Final = "op_local"
NOBODY: Final = "anonymous"
_SECONDS_BETWEEN_COUNTS: Final = 60.0

_REVOKED: Final = "The token was revoked. Log in again."
_REUSED: Final = (
    "This refresh token was used before and has a successor. Two programs may hold it, so its "
    "login has ended. Log in again; after each refresh, keep only the new refresh token."
)

_log = logging.getLogger("codara.operators")


@attrs.frozen(kw_only=True)
class Tokens:
    """The tokens that a login gives; `expires_in` is the access token's lifetime in seconds."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int


class Operators:
    """Logs operators in and out; nothing else knows the passkey.

    Each login has an operator id and a stream of its own, so that logging out ends every token of
    that login and no other. `local_token` works like an access token until this process ends; it is
    for commands on the same machine.
    """

    def __init__(
        self,
        deciding: Deciding,
        passkey: str,
        clock: Clock,
        new_id: NewId,
        *,
        issuer: str,
        run_id: str,
        guard: LoginGuard | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.local_token = secrets.token_urlsafe(32)
        self._deciding = deciding
        self._passkey = _fixed_length(passkey)
        self._mint = TokenMint.of_passkey(passkey, issuer)
        self._clock = clock
        self._new_id = new_id
        self._run_id = run_id
        self._guard = guard or LoginGuard()
        self._pause = pause
        self._counting: asyncio.Task[None] | None = None

    async def login(self, secret: str, address: str, cause: Cause) -> Tokens:
        """Exchanges the passkey for tokens.

        InvalidApiKey, after a growing delay, for a wrong secret; RateLimited for an address with
        too many tries, whatever the secret.
        """
        origin, now = origin_of(address), self._clock()
        wait = self._guard.enter(origin, now)
        if wait is not None:
            await self._count(origin, now)
            raise RateLimited(
                "Too many failed logins from this address. Wait before the next one.",
                retry_after=wait,
            )
        if not hmac.compare_digest(_fixed_length(secret), self._passkey):
            await self._count(origin, now)
            await self._pause(self._guard.delay(origin))
            raise InvalidApiKey("The operator secret is wrong.", param="operator_secret")
        self._guard.forgive(origin)
        operator_id = self._new_id("op")
        await self._append(
            streams.operator(operator_id),
            OperatorLoggedIn(operator_id=operator_id, address=origin),
            attrs.evolve(cause, actor=f"operator:{operator_id}"),
        )
        return self._tokens(operator_id, self._mint.sign(operator_id, REFRESH, self._clock()))

    async def refresh(self, refresh_token: str, cause: Cause) -> Tokens:
        """Exchanges a refresh token for an access token and the next refresh token.

        The same one again, within `operator.GRACE`, gets the same next one. Later it ends the
        login: two people hold it then. InvalidApiKey if it does so, and for anything but a refresh
        token; RateLimited if the login refreshes too often.
        """
        claims, now = await self._claims(refresh_token, REFRESH), self._clock()
        stream = streams.operator(claims.operator_id)
        decided = await self._deciding.decide_durably(
            stream,
            partial(
                operator.exchange, token_id=claims.token_id, successor=fresh_token_id(), now=now
            ),
            attrs.evolve(cause, actor=f"operator:{claims.operator_id}"),
        )
        login: operator.OperatorLogin = decided.states[stream]
        exchanged = login.successor(claims.token_id, now)
        if login.ended or exchanged is None:
            raise InvalidApiKey(_REVOKED if decided.position is None else _REUSED)
        following = self._mint.sign(
            claims.operator_id, REFRESH, exchanged.at, token_id=exchanged.successor
        )
        return self._tokens(claims.operator_id, following)

    async def verify(self, access_token: str) -> str:
        """Returns the operator's id; InvalidApiKey for anything but a valid access token."""
        if hmac.compare_digest(_fixed_length(access_token), _fixed_length(self.local_token)):
            return LOCAL_OPERATOR
        return (await self._claims(access_token, ACCESS)).operator_id

    async def logout(self, token: str, cause: Cause) -> int | None:
        """Ends the login that the token (access or refresh) belongs to; returns the position.

        None if there was nothing to end; InvalidApiKey if the token is not valid.
        """
        if hmac.compare_digest(_fixed_length(token), _fixed_length(self.local_token)):
            return None
        claims = self._mint.read(token, self._clock())
        stream = streams.operator(claims.operator_id)
        return await self._deciding.decide_on(
            stream,
            partial(operator.log_out, operator_id=claims.operator_id, token_id=claims.token_id),
            cause,
        )

    async def close(self) -> None:
        """Records the refused logins that are not in the log yet."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        for origin, attempts in self._guard.rest().items():
            await self._refused(origin, attempts, self._clock())

    def _tokens(self, operator_id: str, refresh_token: str) -> Tokens:
        return Tokens(
            access_token=self._mint.sign(operator_id, ACCESS, self._clock()),
            refresh_token=refresh_token,
            expires_in=int(LIFETIMES[ACCESS].total_seconds()),
        )

    async def _claims(self, token: str, purpose: str) -> Claims:
        """Reads the token of a login that has not ended; InvalidApiKey otherwise."""
        claims = self._mint.read(token, self._clock())
        if claims.purpose != purpose:
            raise InvalidApiKey(f"This is no {purpose} token.")
        login: operator.OperatorLogin = await self._deciding.state(
            streams.operator(claims.operator_id)
        )
        if login.operator_id != claims.operator_id or login.ended:
            raise InvalidApiKey(_REVOKED)
        return claims

    async def _count(self, origin: str, now: datetime) -> None:
        attempts = self._guard.count(origin, now)
        if attempts:
            await self._refused(origin, attempts, now)
        elif self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._write_counts())

    async def _write_counts(self) -> None:
        while not self._guard.idle:
            await self._pause(_SECONDS_BETWEEN_COUNTS)
            try:
                for origin, attempts in self._guard.due(self._clock()).items():
                    await self._refused(origin, attempts, self._clock())
            except Exception:
                _log.exception("refused logins could not be counted")

    async def _refused(self, origin: str, attempts: int, now: datetime) -> None:
        await self._append(
            streams.operator(f"refused/{origin}/{now:%Y-%m-%dT%H}"),
            LoginRefused(address=origin, attempts=attempts),
            Cause(actor=NOBODY, correlation_id=self._run_id),
        )

    async def _append(
        self, stream: str, event: LoginRefused | OperatorLoggedIn, cause: Cause
    ) -> None:
        await self._deciding.note(stream, [event], cause)


def _fixed_length(secret: str) -> bytes:
    """Returns a digest, so that comparing takes equally long whatever the secret's length."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
