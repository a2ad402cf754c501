from datetime import timedelta

import pytest

from codara.domain import account, login
from codara.events.account import TokenRefreshed
from tests import event_examples

NOW = event_examples.NOW


def registered(fingerprint="origin"):
    events = (
        event_examples.account_registered(),
        event_examples.credential_stored(fingerprint=fingerprint),
    )
    state = account.EMPTY
    for event in events:
        state = account.evolve(state, event)
    return state


@pytest.mark.parametrize(("minutes", "due"), [(-1, True), (4, True), (6, False)])
def test_a_token_is_due_five_minutes_before_its_end(minutes, due):
    assert login.is_due(NOW + timedelta(minutes=minutes), NOW) is due


def test_a_token_that_tells_no_end_is_never_due_and_lasts():
    assert not login.is_due(None, NOW)
    assert login.lasts(None, NOW)


def test_a_token_lasts_until_its_end():
    assert login.lasts(NOW + timedelta(seconds=1), NOW)
    assert not login.lasts(NOW, NOW)


def test_a_refresh_says_from_which_credential_the_tokens_descend():
    [refreshed] = login.refresh(registered(), fingerprint="next", expires_at=event_examples.SOON)
    assert refreshed == TokenRefreshed(
        account_id=event_examples.ACCOUNT,
        origin="origin",
        fingerprint="next",
        expires_at=event_examples.SOON,
    )


def test_an_account_that_is_gone_has_nothing_refreshed():
    assert login.refresh(account.EMPTY, fingerprint="next", expires_at=None) == []


def test_a_refreshed_login_handed_in_again_is_known_as_the_origin_of_what_is_there():
    state = login.evolve(login.EMPTY, event_examples.token_refreshed(origin="origin"))
    assert login.descends(state, registered(), handed_in="origin")
    assert not login.descends(state, registered(), handed_in="another")
    assert not login.descends(state, registered("newer"), handed_in="origin")
    assert not login.descends(state, account.EMPTY, handed_in="origin")


def test_a_login_that_was_never_refreshed_is_stored_again():
    assert not login.descends(login.EMPTY, registered(), handed_in="origin")
