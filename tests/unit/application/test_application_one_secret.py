"""One secret is one account: by key, or by who logged in, also at once and in old logs."""

import asyncio

import attrs
import pytest

from codara.application.accounts import Accounts, NewAccount
from codara.domain import account, credential
from codara.errors import Conflict, NotFound
from codara.events import streams
from codara.events.account import HealthChanged
from codara.events.base import Append
from tests import event_examples
from tests.event_examples import CLI, SOON
from tests.login_files import chatgpt, written

NEW = NewAccount(
    account_id="main", provider="codex", auth_type="API_KEY", label="", credential=b"sk-1"
)
OTHER = attrs.evolve(NEW, account_id="other")
LOGIN = attrs.evolve(NEW, auth_type="OAUTH_SESSION", credential=written(chatgpt(SOON)))
REFRESHED = written(chatgpt(SOON, refresh="refresh-9", name="new"))


@pytest.fixture
def accounts(house, vault):
    return Accounts(
        deciding=house.deciding, vault=vault, pool=house, clock=house.clock, new_id=house.new_id
    )


async def refused(accounts, new, owner):
    with pytest.raises(Conflict, match=f"Account {owner} has this credential"):
        await accounts.register(new, CLI)


@pytest.mark.parametrize("provider", ["codex", "opencode"])
async def test_a_key_that_an_account_has_is_refused_to_another(accounts, vault, house, provider):
    await accounts.register(NEW, CLI)
    await refused(accounts, attrs.evolve(OTHER, provider=provider, credential=b" sk-1\n"), "main")
    assert vault.kept == {"main": b"sk-1"}
    assert (await house.names()).count("account.registered") == 1


async def test_an_account_does_not_take_over_the_key_of_another(accounts, vault):
    await accounts.register(NEW, CLI)
    await accounts.register(attrs.evolve(OTHER, credential=b"sk-2"), CLI)
    await refused(accounts, OTHER, "main")
    assert vault.kept == {"main": b"sk-1", "other": b"sk-2"}


async def test_the_key_of_a_removed_account_is_free(accounts):
    await accounts.register(NEW, CLI)
    await accounts.remove("main", CLI)
    await accounts.register(OTHER, CLI)
    await refused(accounts, NEW, "other")


async def test_the_key_that_an_account_had_before_is_free(accounts):
    await accounts.register(NEW, CLI)
    await accounts.register(attrs.evolve(NEW, credential=b"sk-2"), CLI)
    await accounts.register(OTHER, CLI)
    await refused(accounts, attrs.evolve(OTHER, credential=b"sk-2"), "main")


async def test_of_many_at_once_one_gets_the_key(accounts, vault):
    tries = [accounts.register(attrs.evolve(NEW, account_id=f"acc_{n}"), CLI) for n in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 7
    assert len(vault.kept) == 1


async def test_a_login_is_one_account_whatever_its_tokens_are_now(accounts):
    await accounts.register(LOGIN, CLI)
    again = attrs.evolve(LOGIN, account_id="other", credential=REFRESHED)
    await refused(accounts, again, "main")
    await accounts.register(attrs.evolve(LOGIN, credential=REFRESHED), CLI)
    await refused(accounts, attrs.evolve(LOGIN, account_id="other"), "main")


async def test_an_account_with_a_login_may_get_a_key_instead(accounts):
    await accounts.register(LOGIN, CLI)
    await accounts.register(NEW, CLI)
    await accounts.register(attrs.evolve(LOGIN, account_id="other"), CLI)


async def old_account(house, vault, account_id, auth_type, secret):
    """An account as it was registered before accounts recorded what is the same."""
    facts = [
        event_examples.account_registered(account_id=account_id, auth_type=auth_type),
        event_examples.credential_stored(
            account_id=account_id, fingerprint=await vault.store(account_id, secret), sameness=""
        ),
    ]
    await house.log.append([Append(streams.account(account_id), 0, facts)], CLI)


async def test_the_accounts_of_an_old_log_keep_their_secrets_to_themselves(accounts, vault, house):
    await old_account(house, vault, "old-key", credential.API_KEY, b"sk-1")
    await old_account(house, vault, "old-login", credential.OAUTH_SESSION, LOGIN.credential)
    await refused(accounts, NEW, "old-key")
    await refused(accounts, attrs.evolve(LOGIN, credential=REFRESHED), "old-login")
    await accounts.remove("old-key", CLI)
    await accounts.register(NEW, CLI)


async def test_of_two_old_accounts_with_one_key_either_may_be_handed_in_again_but_not_both(
    accounts, vault, house
):
    for account_id in ("main", "other"):
        await old_account(house, vault, account_id, credential.API_KEY, b"sk-1")
    await accounts.register(OTHER, CLI)
    await refused(accounts, NEW, "other")
    await accounts.register(attrs.evolve(NEW, credential=b"sk-2"), CLI)


async def test_an_old_account_whose_credential_is_lost_is_in_nobodys_way(accounts, vault, house):
    await old_account(house, vault, "old-login", credential.OAUTH_SESSION, LOGIN.credential)
    vault.kept.clear()
    await accounts.register(LOGIN, CLI)


async def test_the_same_key_again_tries_a_broken_account(accounts, house):
    await accounts.register(NEW, CLI)
    broken = HealthChanged(account_id="main", before="ready", after="error", cause="auth_failed")
    await house.deciding.note(streams.account("main"), [broken], CLI)
    assert await accounts.register(NEW, CLI) == house.log.head()
    state = await house.deciding.state(streams.account("main"))
    assert account.standing(state, house.clock()) == "ready"
    assert await accounts.register(NEW, CLI) is None


async def test_removing_what_is_not_there_frees_nothing(accounts, house):
    with pytest.raises(NotFound):
        await accounts.remove("main", CLI)
    assert "name.freed" not in await house.names()
