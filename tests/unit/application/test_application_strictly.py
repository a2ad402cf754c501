"""What users, accounts and operators leave in the log is an order that can have happened."""

from pathlib import Path

import attrs
import pytest
from service_setup import Logged, logged

from codara import errors
from codara.application.accounts import Accounts, NewAccount
from codara.application.operators import Operators
from codara.application.users import NewUser, Users
from tests import event_examples
from tests.fakes.clock import FixedClock
from tests.fakes.keyring import FakeKeyRing
from tests.fakes.vault import FakeVault
from tests.log_checks import folds_strictly

OF_OPERATORS = {
    "account.registered",
    "account.credential_stored",
    "account.health_changed",
    "account.removed",
    "key.issued",
    "key.revoked",
    "name.claimed",
    "name.freed",
    "operator.logged_in",
    "operator.login_refused",
    "operator.token_exchanged",
    "operator.token_reused",
    "operator.token_revoked",
    "user.provisioned",
    "user.updated",
    "user.suspended",
    "user.restored",
    "user.deleted",
}


async def users_come_and_go(house: Logged) -> None:
    deciding, new_id = house.deciding, house.new_id
    users = Users(
        deciding=deciding,
        keys=house.keys,
        key_streams=house,
        clock=house.clock,
        new_id=new_id,
    )
    await users.ensure_admin(3, event_examples.CLI)
    for _ in range(2):
        made = await users.provision(NewUser(email="ada@example.org"), event_examples.CLI)
        await users.update(made.user_id, event_examples.CLI, max_concurrency=5)
        for _ in range(2):
            await users.suspend(made.user_id, event_examples.CLI)
        for _ in range(2):
            await users.restore(made.user_id, event_examples.CLI)
        fresh = await users.rotate_key(
            made.user_id, [made.key.key_id], event_examples.CLI, label=None, until=None
        )
        for _ in range(2):
            await users.revoke_key(made.user_id, fresh.key_id, event_examples.CLI)
        for _ in range(2):
            await users.delete(made.user_id, event_examples.CLI)


async def accounts_come_and_go(house: Logged) -> None:
    deciding, new_id = house.deciding, house.new_id
    accounts = Accounts(
        deciding=deciding, vault=FakeVault(), pool=house, clock=house.clock, new_id=new_id
    )
    for provider, credential in (("codex", b"sk-first-1"), ("gemini", b"AIza-other-2")):
        new = NewAccount(
            account_id="main",
            provider=provider,
            auth_type="API_KEY",
            label="Main",
            credential=credential,
        )
        for label in ("Main", "Main", "Other"):
            await accounts.register(attrs.evolve(new, label=label), event_examples.CLI)
        await accounts.cooldown("main", event_examples.CLI, seconds=60)
        await accounts.cooldown("main", event_examples.CLI, seconds=90)
        await accounts.recover("main", event_examples.CLI)
        await accounts.cooldown("main", event_examples.CLI, seconds=60)
        house.clock.move(seconds=60)
        await accounts.cooldown("main", event_examples.CLI)
        await accounts.remove("main", event_examples.CLI)


async def operators_come_and_go(house: Logged) -> None:
    async def no_pause(seconds: float) -> None: ...

    operators = Operators(
        house.deciding,
        "the passkey",
        house.clock,
        house.new_id,
        issuer=house.log.log_id,
        run_id="gtw_1",
        pause=no_pause,
    )
    with pytest.raises(errors.InvalidApiKey):
        await operators.login("a guess", "192.0.2.1", event_examples.CLI)
    for _ in range(2):
        tokens = await operators.login("the passkey", "192.0.2.1", event_examples.CLI)
        following = await operators.refresh(tokens.refresh_token, event_examples.CLI)
        await operators.refresh(following.refresh_token, event_examples.CLI)
        for _ in range(2):
            await operators.logout(tokens.access_token, event_examples.CLI)
    tokens = await operators.login("the passkey", "192.0.2.1", event_examples.CLI)
    await operators.refresh(tokens.refresh_token, event_examples.CLI)
    house.clock.move(seconds=31)
    for _ in range(2):
        with pytest.raises(errors.InvalidApiKey):
            await operators.refresh(tokens.refresh_token, event_examples.CLI)
    await operators.close()


async def test_every_stream_of_users_accounts_and_operators_folds_strictly(tmp_path: Path) -> None:
    async with logged(tmp_path, FakeKeyRing(), FixedClock()) as house:
        await users_come_and_go(house)
        await accounts_come_and_go(house)
        await operators_come_and_go(house)
        assert await folds_strictly(house.log, house.deciding) >= OF_OPERATORS
