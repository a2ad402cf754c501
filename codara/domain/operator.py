"""One login of an operator: whether its tokens still work."""

import attrs

from codara.events.base import Event
from codara.events.operator import OperatorLoggedIn, TokenRevoked


@attrs.frozen(kw_only=True)
class OperatorLogin:
    operator_id: str = ""
    ended: bool = False


EMPTY = OperatorLogin()


def evolve(state: OperatorLogin, event: Event) -> OperatorLogin:
    """Returns the state after one more event."""
    match event:
        case OperatorLoggedIn():
            return OperatorLogin(operator_id=event.operator_id)
        case TokenRevoked() if state.operator_id == event.operator_id:
            return attrs.evolve(state, ended=True)
        case _:
            return state


def log_out(state: OperatorLogin, *, operator_id: str, token_id: str) -> list[Event]:
    """Ends the login, and with it each of its tokens; empty if it has ended already."""
    if state.ended or state.operator_id != operator_id:
        return []
    return [TokenRevoked(operator_id=operator_id, token_id=token_id)]
