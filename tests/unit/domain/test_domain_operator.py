"""Refresh tokens are exchanged in a chain; one that is shown again too late ends the login."""

from datetime import timedelta

import pytest

from codara.domain import operator
from codara.domain.operator import OperatorLogin
from codara.errors import RateLimited
from codara.events.operator import TokenExchange, TokenExchanged, TokenReused
from tests import event_examples
from tests.event_examples import NOW, OPERATOR

IN = operator.evolve(operator.EMPTY, event_examples.operator_logged_in())


def later(seconds: float):
    return NOW + timedelta(seconds=seconds)


def exchanged(state: OperatorLogin, token_id: str, successor: str, now=NOW) -> OperatorLogin:
    """The login after one exchange."""
    [event] = operator.exchange(state, token_id=token_id, successor=successor, now=now)
    assert isinstance(event, TokenExchanged)
    return operator.evolve(state, event)


def show(state: OperatorLogin, token_id: str, now):
    return operator.exchange(state, token_id=token_id, successor="other", now=now)


def test_a_refresh_token_has_one_successor_for_30_seconds():
    login = exchanged(IN, "a", "b")
    assert show(login, "a", later(30)) == []
    assert login.successor("a", later(30)) == TokenExchange(token_id="a", successor="b", at=NOW)
    assert login.successor("a", later(31)) is None


def test_a_token_that_is_shown_later_ends_the_login():
    login = exchanged(IN, "a", "b")
    [reused] = show(login, "a", later(31))
    assert reused == TokenReused(operator_id=OPERATOR, token_id="a")
    ended = operator.evolve(login, reused)
    assert ended.ended
    assert show(ended, "b", later(31)) == []


def test_a_chain_goes_on_and_each_link_keeps_its_30_seconds():
    login = exchanged(IN, "a", "b")
    login = exchanged(login, "b", "c", later(10))
    assert login.successor("a", later(20)).successor == "b"
    assert show(login, "a", later(20)) == []
    login = exchanged(login, "c", "d", later(35))
    assert [each.token_id for each in login.exchanges] == ["b", "c"]
    assert isinstance(show(login, "a", later(35))[0], TokenReused)


def test_the_last_event_says_all_that_a_login_needs():
    login = exchanged(exchanged(IN, "a", "b"), "b", "c", later(5))
    event = TokenExchanged(operator_id=OPERATOR, exchanges=login.exchanges)
    assert operator.evolve(operator.EMPTY, event) == login
    assert TokenExchanged.name in operator.CLOSING


def test_a_login_does_not_exchange_without_end():
    login = IN
    for number in range(operator.MOST_EXCHANGES):
        login = exchanged(login, f"t{number}", f"t{number + 1}", later(number))
    newest = f"t{operator.MOST_EXCHANGES}"
    with pytest.raises(RateLimited) as limited:
        show(login, newest, later(20))
    assert limited.value.retry_after == 10.0
    assert isinstance(show(login, newest, later(31))[0], TokenExchanged)
