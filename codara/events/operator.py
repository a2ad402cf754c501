"""Facts of operators: who logged in, and who was refused."""

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
