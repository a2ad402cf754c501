"""Facts of operators: who logged in, and who was refused."""

from datetime import datetime
from typing import ClassVar

import attrs

from codara.events.base import Event


@attrs.frozen(kw_only=True)
class OperatorLoggedIn(Event):
    name: ClassVar[str] = "operator.logged_in"
    operator_id: str
    address: str


@attrs.frozen(kw_only=True)
class LoginRefused(Event):
    """Logins of one address were refused within one minute; `attempts` is how many."""

    name: ClassVar[str] = "operator.login_refused"
    address: str
    attempts: int


@attrs.frozen(kw_only=True)
class TokenRevoked(Event):
    name: ClassVar[str] = "operator.token_revoked"
    operator_id: str
    token_id: str


@attrs.frozen(kw_only=True)
class TokenExchange:
    """A refresh token was exchanged at `at` for its successor; tokens are named by their ids."""

    token_id: str
    successor: str
    at: datetime


@attrs.frozen(kw_only=True)
class TokenExchanged(Event):
    """A refresh token was exchanged; the last of `exchanges` is that exchange.

    Those before it are the login's other exchanges of the last seconds, the oldest first.
    """

    name: ClassVar[str] = "operator.token_exchanged"
    operator_id: str
    exchanges: tuple[TokenExchange, ...]


@attrs.frozen(kw_only=True)
class TokenReused(Event):
    """A refresh token that had a successor was shown again, too late: the login has ended."""

    name: ClassVar[str] = "operator.token_reused"
    operator_id: str
    token_id: str
