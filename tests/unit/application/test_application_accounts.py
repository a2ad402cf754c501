from datetime import timedelta

import attrs
import pytest

from codara.application.accounts import Accounts, NewAccount
from codara.domain import account
from codara.errors import Conflict, InvalidRequest, NotFound
from codara.events import streams
from codara.events.account import QuotaWindow
from codara.events.base import Append
from tests import event_examples

NEW = NewAccount(
    account_id="main",
    provider="codex",
    auth_type="API_KEY",
    label="Main",
    credential=b" sk-secret-1\n",
)


@pytest.fixture
def accounts(house, vault):
    return Accounts(
        deciding=house.deciding,
        vault=vault,
        pool=house,
        clock=house.clock,
        new_id=house.new_id,
    )


async def status(house):
    state = await house.deciding.state(streams.account("main"))
    return account.standing(state, house.clock())


async def test_the_credential_goes_to_the_vault_and_only_its_fingerprint_to_the_log(
    accounts, vault, house, tmp_path
):
    position = await accounts.register(NEW, event_examples.by("operator:op_1"))
    assert vault.kept == {"main": b"sk-secret-1"}
    assert position == house.log.head()
    recorded = ["name.claimed", "account.registered", "account.credential_stored"]
    assert (await house.names())[1:] == recorded
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("events.db*"))
    assert b"sk-secret" not in stored
    assert "sk-secret" not in repr(NEW)


async def test_the_same_again_says_nothing_and_another_credential_is_stored(accounts, house):
    await accounts.register(NEW, event_examples.CLI)
    assert await accounts.register(NEW, event_examples.CLI) is None
    await accounts.register(attrs.evolve(NEW, credential=b"sk-secret-2"), event_examples.CLI)
    assert (await house.names()).count("account.credential_stored") == 2


async def test_a_refused_account_leaves_the_credential_that_was_there(accounts, vault):
    await accounts.register(NEW, event_examples.CLI)
    with pytest.raises(Conflict):
        await accounts.register(
            attrs.evolve(NEW, provider="gemini", credential=b"x"), event_examples.CLI
        )
    assert vault.kept == {"main": b"sk-secret-1"}


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"account_id": "../../escaped"}, "account_id"),
        ({"account_id": ""}, "account_id"),
        ({"account_id": "a" * 65}, "account_id"),
        ({"provider": "other"}, "provider"),
        ({"auth_type": "PASSWORD"}, "auth_type"),
        ({"label": "a\nb"}, "label"),
        ({"credential": b" "}, "credential"),
    ],
)
async def test_what_can_be_no_account_leaves_nothing_behind(accounts, vault, house, changed, param):
    with pytest.raises(InvalidRequest) as refused:
        await accounts.register(attrs.evolve(NEW, **changed), event_examples.CLI)
    assert refused.value.param == param
    assert vault.kept == {}
    assert await house.names() == ["log.opened"]


async def test_a_removed_account_has_no_credential(accounts, vault, house):
    await accounts.register(NEW, event_examples.CLI)
    await accounts.remove("main", cause=event_examples.CLI)
    assert vault.kept == {}
    assert await status(house) == "removed"
    with pytest.raises(NotFound):
        await accounts.remove("main", cause=event_examples.CLI)


async def test_a_cooldown_ends_by_itself(accounts, house):
    await accounts.register(NEW, event_examples.CLI)
    await accounts.cooldown("main", seconds=30, cause=event_examples.CLI)
    assert await status(house) == "cooldown"
    house.clock.move(seconds=30)
    assert await status(house) == "ready"


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), 1e9])
async def test_a_cooldown_has_a_sensible_length(accounts, seconds):
    await accounts.register(NEW, event_examples.CLI)
    with pytest.raises(InvalidRequest):
        await accounts.cooldown("main", seconds=seconds, cause=event_examples.CLI)


async def test_an_operator_can_call_an_account_ready(accounts, house):
    await accounts.register(NEW, event_examples.CLI)
    await accounts.cooldown("main", cause=event_examples.CLI)
    await accounts.recover("main", cause=event_examples.CLI)
    assert await status(house) == "ready"
    assert await accounts.recover("main", cause=event_examples.CLI) is None


async def test_an_operator_can_call_an_account_ready_that_a_full_window_keeps_from_turns(
    accounts, house
):
    await accounts.register(NEW, event_examples.CLI)
    end = house.clock() + timedelta(hours=1)
    full = QuotaWindow(name="5h", used_percent=100.0, minutes=None, resets_at=end)
    observed = event_examples.quota_observed(account_id="main", windows=(full,))
    await house.log.append([Append(streams.quota("main"), 0, [observed])], event_examples.CAUSE)
    assert await accounts.recover("main", cause=event_examples.CLI) is not None
    assert not (await house.deciding.state(streams.quota("main"))).is_full(house.clock())
    assert (await house.names())[-2:] == ["account.health_changed", "quota.observed"]
    assert await accounts.recover("main", cause=event_examples.CLI) is None
