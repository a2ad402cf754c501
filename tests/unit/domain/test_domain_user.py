import pytest

from codara.domain import user
from codara.errors import Conflict, InvalidRequest, NotFound
from codara.errors import UserSuspended as Refused
from codara.events.user import (
    Suspended,
    UserDeleted,
    UserProvisioned,
    UserRestored,
    UserUpdated,
)

ID = {"user_id": "usr_1"}


def state(*events, role="user"):
    folded = user.evolve(
        user.EMPTY,
        UserProvisioned(
            user_id="usr_1", max_concurrency=3, role=role, email="a@b.c", display_name="Ann"
        ),
    )
    for event in events:
        folded = user.evolve(folded, event)
    return folded


def provision(**changed):
    given = {
        "user_id": "usr_1",
        "email": "a@b.c",
        "display_name": "Ann",
        "max_concurrency": 3,
        "role": "user",
    }
    return user.provision(user.EMPTY, **(given | changed))


SUSPENDED = state(Suspended(**ID))
DELETED = state(UserDeleted(**ID))
ADMIN = state(role="admin")


def test_a_user_is_provisioned_with_a_limit():
    [event] = provision(max_concurrency=7)
    assert user.evolve(user.EMPTY, event).max_concurrency == 7


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_limit_out_of_range_is_refused(limit):
    with pytest.raises(InvalidRequest) as refused:
        provision(max_concurrency=limit)
    assert refused.value.param == "max_concurrency"
    with pytest.raises(InvalidRequest):
        user.update(state(), **ID, display_name=None, max_concurrency=limit)


def test_an_update_changes_what_is_given_and_keeps_the_rest():
    changed = user.update(state(), **ID, display_name="Bea", max_concurrency=None)
    assert changed == [UserUpdated(user_id="usr_1", max_concurrency=3, display_name="Bea")]
    assert user.evolve(state(), changed[0]).display_name == "Bea"


def test_an_update_to_what_is_so_already_says_nothing():
    assert user.update(state(), **ID, display_name="Ann", max_concurrency=3) == []


def test_a_suspended_user_may_not_come_in_until_restored():
    with pytest.raises(Refused, match="suspended"):
        user.admit(SUSPENDED)
    user.admit(user.evolve(SUSPENDED, UserRestored(**ID)))


def test_suspending_or_restoring_twice_says_nothing():
    assert user.suspend(state(), **ID) == [Suspended(**ID)]
    assert user.suspend(SUSPENDED, **ID) == []
    assert user.restore(SUSPENDED, **ID) == [UserRestored(**ID)]
    assert user.restore(state(), **ID) == []


def test_a_deleted_user_stays_deleted():
    with pytest.raises(Refused, match="deleted"):
        user.admit(DELETED)
    for refused in (user.restore, user.suspend):
        with pytest.raises(Conflict):
            refused(DELETED, **ID)
    assert user.delete(DELETED, **ID) == []


@pytest.mark.parametrize("decision", [user.suspend, user.delete])
def test_the_dashboard_admin_stays(decision):
    with pytest.raises(Conflict, match="Dashboard Admin"):
        decision(ADMIN, **ID)


@pytest.mark.parametrize("decision", [user.suspend, user.restore, user.delete])
def test_an_unknown_user_is_not_found(decision):
    with pytest.raises(NotFound):
        decision(user.EMPTY, **ID)


def test_an_email_address_is_compared_without_case_and_white_space():
    assert user.normal_email(" Ann.O'Neil+x@Exämple.ORG\n") == "ann.o'neil+x@exämple.org"


@pytest.mark.parametrize(
    "text", ["", "ann", "@b.c", "a@", "a b@c.d", "a@b\x00.c", "a@b\n.c", "x" * 251 + "@b.c"]
)
def test_what_is_no_email_address_is_refused(text):
    with pytest.raises(InvalidRequest) as refused:
        user.normal_email(text)
    assert refused.value.param == "email"
