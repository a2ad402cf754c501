"""One login of an operator: whether its tokens still work, and which refresh token is next."""

from datetime import datetime, timedelta

import attrs

from codara.errors import RateLimited
from codara.events.base import Event
from codara.events.operator import (
    OperatorLoggedIn,
    TokenExchange,
    TokenExchanged,
    TokenReused,
    TokenRevoked,
)

GRACE = timedelta(seconds=30)
"""A refresh token that is shown again within this time gets the same successor again."""
MOST_EXCHANGES = 20
"""How many refresh tokens of one login may be exchanged within `GRACE`."""

CLOSING = frozenset({TokenExchanged.name})
"""Events that carry the whole standing of a login: nothing older needs folding."""


@attrs.frozen(kw_only=True)
class OperatorLogin:
    """The folded state of a login.

    `exchanges` are its last ones, as the last of them recorded them; empty until its first refresh
    token is exchanged.
    """

    operator_id: str = ""
    ended: bool = False
    exchanges: tuple[TokenExchange, ...] = ()

    def successor(self, token_id: str, now: datetime) -> TokenExchange | None:
        """Returns what the refresh token was exchanged for within `GRACE`; None if nothing."""
        recent = _recent(self, now)
        return next((each for each in recent if each.token_id == token_id), None)


EMPTY = OperatorLogin()


def evolve(state: OperatorLogin, event: Event) -> OperatorLogin:
    """Returns the state after one more event."""
    match event:
        case OperatorLoggedIn():
            return OperatorLogin(operator_id=event.operator_id)
        case TokenExchanged():
            return OperatorLogin(operator_id=event.operator_id, exchanges=event.exchanges)
        case TokenRevoked() | TokenReused() if state.operator_id == event.operator_id:
            return attrs.evolve(state, ended=True)
        case _:
            return state


def exchange(state: OperatorLogin, *, token_id: str, successor: str, now: datetime) -> list[Event]:
    """Gives the refresh token its successor, or ends the login if the token had one too long ago.

    Empty if the login has ended, or if the token got its successor within `GRACE`: ask
    `OperatorLogin.successor`. RateLimited if the login exchanges tokens too often.
    """
    if state.ended or state.successor(token_id, now) is not None:
        return []
    if state.exchanges and state.exchanges[-1].successor != token_id:
        return [TokenReused(operator_id=state.operator_id, token_id=token_id)]
    recent = _recent(state, now)
    if len(recent) >= MOST_EXCHANGES:
        raise RateLimited(
            f"This login has refreshed its tokens {len(recent)} times within "
            f"{GRACE.seconds} s. Use an access token until it expires.",
            retry_after=(recent[0].at + GRACE - now).total_seconds(),
        )
    fresh = TokenExchange(token_id=token_id, successor=successor, at=now)
    return [TokenExchanged(operator_id=state.operator_id, exchanges=(*recent, fresh))]


def log_out(state: OperatorLogin, *, operator_id: str, token_id: str) -> list[Event]:
    """Ends the login, and with it each of its tokens; empty if it has ended already."""
    if state.ended or state.operator_id != operator_id:
        return []
    return [TokenRevoked(operator_id=operator_id, token_id=token_id)]


def _recent(state: OperatorLogin, now: datetime) -> tuple[TokenExchange, ...]:
    return tuple(each for each in state.exchanges if now - each.at <= GRACE)
