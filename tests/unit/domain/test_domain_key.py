from datetime import UTC, datetime, timedelta

import pytest

from codara.domain import key
from codara.errors import Conflict, InvalidApiKey, InvalidRequest, NotFound
from codara.events.key import KeyIssued, KeyRevoked

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def issued(until=None):
    event = KeyIssued(key_id="key_1", user_id="usr_1", label="desk", until=until)
    return key.evolve(key.EMPTY, event)


def revoked():
    return key.evolve(issued(), KeyRevoked(key_id="key_1", user_id="usr_1"))


def issue(state, until):
    return key.issue(state, key_id="key_1", user_id="usr_1", label="desk", until=until, now=NOW)


def test_a_key_is_issued_once():
    assert issue(key.EMPTY, LATER) == [
        KeyIssued(key_id="key_1", user_id="usr_1", label="desk", until=LATER)
    ]
    with pytest.raises(Conflict):
        issue(issued(), None)


def test_a_key_cannot_end_before_it_begins():
    with pytest.raises(InvalidRequest) as refused:
        issue(key.EMPTY, NOW)
    assert refused.value.param == "expires_at"


def test_an_issued_key_opens_the_door():
    key.admit(issued(), now=NOW)
    key.admit(issued(until=LATER), now=NOW)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (key.EMPTY, "not one of this gateway's"),
        (revoked(), "revoked"),
        (issued(until=NOW), "expired"),
    ],
)
def test_no_other_key_does(state, reason):
    with pytest.raises(InvalidApiKey, match=reason):
        key.admit(state, now=NOW)


def test_revoking_twice_says_nothing_new():
    first = key.revoke(issued(), key_id="key_1", user_id="usr_1")
    assert first == [KeyRevoked(key_id="key_1", user_id="usr_1")]
    assert key.revoke(revoked(), key_id="key_1", user_id="usr_1") == []


@pytest.mark.parametrize("whose", [{"user_id": "usr_2"}, {"key_id": "key_2"}])
def test_another_users_key_is_not_there(whose):
    with pytest.raises(NotFound):
        key.revoke(issued(), **({"key_id": "key_1", "user_id": "usr_1"} | whose))
