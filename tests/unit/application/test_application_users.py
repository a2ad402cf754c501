import asyncio
import re

import pytest
from service_setup import logged

from codara.application.users import ADMIN_EMAIL, NewUser, Users
from codara.errors import Conflict, InvalidApiKey, InvalidRequest, NotFound, UserSuspended
from codara.events.key import KeyIssued
from codara.events.user import UserProvisioned
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing

ANN = NewUser(email="Ann@Example.org", display_name="Ann")


@pytest.fixture
def users(house):
    return Users(
        deciding=house.deciding,
        keys=house.keys,
        key_streams=house,
        clock=house.clock,
        new_id=house.new_id,
    )


async def test_provisioning_is_one_append_of_a_user_a_key_and_a_name(users, house):
    made = await users.provision(ANN, event_examples.by("operator:op_1"))
    recorded = (await house.log.read(0))[1:]
    assert [item.event.name for item in recorded] == [
        "name.claimed",
        "user.provisioned",
        "key.issued",
    ]
    chains = {(item.metadata.correlation_id, item.metadata.causation_id) for item in recorded}
    assert chains == {("trc_operator:op_1", "req_operator:op_1")}
    assert made.position == recorded[-1].position
    assert (made.email, made.max_concurrency) == ("ann@example.org", 3)


async def test_a_key_is_62_to_the_32_and_stands_nowhere_in_the_log(users, house, tmp_path):
    made = await users.provision(ANN, event_examples.CLI)
    assert re.fullmatch(r"uagk_live_[A-Za-z0-9]{32}", made.key.raw_key)
    assert made.key.raw_key not in repr(made)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("events.db*"))
    assert b"key.issued" in stored
    assert made.key.raw_key.encode() not in stored
    assert b"ann@example" not in stored.lower()


async def test_whoever_has_the_key_is_the_user(users):
    made = await users.provision(attrs_of(ANN, max_concurrency=7), event_examples.CLI)
    caller = await users.authenticate(made.key.raw_key)
    assert (caller.user_id, caller.key_id) == (made.user_id, made.key.key_id)
    assert caller.max_concurrency == 7
    assert caller.actor == f"user:{made.user_id}"


@pytest.mark.parametrize("raw", ["", "uagk_live_", "uagk_live_" + "A" * 32, "x" * 10_000, "é"])
async def test_an_unknown_key_is_refused(users, raw):
    with pytest.raises(InvalidApiKey):
        await users.authenticate(raw)


async def test_one_email_address_has_one_user(users, house):
    await users.provision(ANN, event_examples.CLI)
    with pytest.raises(Conflict):
        await users.provision(NewUser(email=" ann@example.ORG "), event_examples.CLI)
    assert len(await house.events(UserProvisioned)) == 1


async def test_of_many_at_once_one_gets_the_email_address(users, house):
    tries = [users.provision(ANN, event_examples.CLI) for _ in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert len(await house.events(KeyIssued)) == 1


async def test_a_deleted_users_email_address_may_be_used_again(users):
    made = await users.provision(ANN, event_examples.CLI)
    await users.delete(made.user_id, cause=event_examples.CLI)
    with pytest.raises(UserSuspended):
        await users.authenticate(made.key.raw_key)
    again = await users.provision(ANN, event_examples.CLI)
    assert again.user_id != made.user_id


async def test_a_revoked_key_opens_nothing_from_that_moment(users):
    made = await users.provision(ANN, event_examples.CLI)
    await users.authenticate(made.key.raw_key)
    assert (
        await users.revoke_key(made.user_id, made.key.key_id, cause=event_examples.CLI) is not None
    )
    with pytest.raises(InvalidApiKey, match="revoked"):
        await users.authenticate(made.key.raw_key)
    assert await users.revoke_key(made.user_id, made.key.key_id, cause=event_examples.CLI) is None


async def test_an_expired_key_opens_nothing(users, house):
    made = await users.provision(ANN, event_examples.CLI)
    until = house.clock.now.replace(year=2027)
    key = await users.issue_key(made.user_id, label="short", until=until, cause=event_examples.CLI)
    await users.authenticate(key.raw_key)
    house.clock.now = until
    with pytest.raises(InvalidApiKey, match="expired"):
        await users.authenticate(key.raw_key)


async def test_a_rotated_key_takes_the_place_of_the_old_one(users):
    made = await users.provision(ANN, event_examples.CLI)
    old = made.key
    new = await users.rotate_key(
        made.user_id, [old.key_id], label=None, until=None, cause=event_examples.CLI
    )
    with pytest.raises(InvalidApiKey):
        await users.authenticate(old.raw_key)
    assert (await users.authenticate(new.raw_key)).key_id == new.key_id


async def test_another_users_key_cannot_be_revoked(users):
    made = await users.provision(ANN, event_examples.CLI)
    other = await users.provision(NewUser(email="bob@example.org"), event_examples.CLI)
    with pytest.raises(NotFound):
        await users.revoke_key(other.user_id, made.key.key_id, cause=event_examples.CLI)
    with pytest.raises(NotFound):
        await users.revoke_key(made.user_id, "key_unknown", cause=event_examples.CLI)
    await users.authenticate(made.key.raw_key)


async def test_a_suspended_user_comes_in_again_once_restored(users):
    made = await users.provision(ANN, event_examples.CLI)
    await users.suspend(made.user_id, cause=event_examples.CLI)
    with pytest.raises(UserSuspended):
        await users.authenticate(made.key.raw_key)
    await users.restore(made.user_id, cause=event_examples.CLI)
    await users.authenticate(made.key.raw_key)


async def test_a_new_limit_counts_at_once(users):
    made = await users.provision(ANN, event_examples.CLI)
    await users.update(made.user_id, max_concurrency=9, cause=event_examples.CLI)
    assert (await users.authenticate(made.key.raw_key)).max_concurrency == 9
    assert await users.update(made.user_id, max_concurrency=9, cause=event_examples.CLI) is None


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"email": "nobody"}, "email"),
        ({"display_name": "a\x00b"}, "display_name"),
        ({"key_label": "l" * 201}, "key_label"),
        ({"max_concurrency": 0}, "max_concurrency"),
    ],
)
async def test_a_user_that_cannot_be_leaves_nothing_behind(users, house, changed, param):
    with pytest.raises(InvalidRequest) as refused:
        await users.provision(attrs_of(ANN, **changed), event_examples.CLI)
    assert refused.value.param == param
    assert await house.names() == ["log.opened"]


async def test_a_key_needs_a_user(users):
    with pytest.raises(NotFound):
        await users.issue_key("usr_unknown", label=None, until=None, cause=event_examples.CLI)


async def test_the_admin_is_provisioned_once_and_operators_act_as_them(users, house):
    admin = await users.ensure_admin(10, event_examples.CLI)
    assert await users.ensure_admin(10, event_examples.CLI) == admin
    [event] = await house.events(UserProvisioned)
    assert (event.email, event.role, event.max_concurrency) == (ADMIN_EMAIL, "admin", 10)
    caller = await users.caller_for_operator("op_1")
    assert (caller.user_id, caller.key_id, caller.actor) == (admin, None, "operator:op_1")


async def test_everything_holds_after_a_restart(tmp_path):
    keys, clock = FakeKeyRing(), FixedClock()
    made = {}
    for start in range(2):
        async with logged(tmp_path, keys, clock) as house:
            users = Users(
                deciding=house.deciding,
                keys=keys,
                key_streams=house,
                clock=clock,
                new_id=house.new_id,
            )
            if start == 0:
                made = await users.provision(ANN, event_examples.CLI)
                await users.ensure_admin(10, event_examples.CLI)
            else:
                assert (await users.authenticate(made.key.raw_key)).user_id == made.user_id
                assert await users.ensure_admin(10, event_examples.CLI) != made.user_id
                assert (await house.names()).count("user.provisioned") == 2


def attrs_of(new, **changed):
    return NewUser(**({"email": new.email, "display_name": new.display_name} | changed))
