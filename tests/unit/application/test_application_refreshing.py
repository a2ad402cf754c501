import asyncio
from datetime import timedelta

import pytest

from codara.application.accounts import Accounts, NewAccount
from codara.application.ports.logins import Token
from codara.application.refreshing import KeptLogins
from codara.errors import AgentFailed, NotFound
from codara.events.account import TokenRefreshed
from tests import event_examples
from tests.event_examples import NOW

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class FakeRefresher:
    """Logins are words; each refresh lengthens the word by a plus sign, and holds for an hour."""

    def __init__(self):
        self.ends = {}
        self.asked = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails = None

    def token(self, provider, login):
        return Token(value=login.decode(), expires_at=self.ends.get(login, NOW + HOUR))

    async def refresh(self, provider, login):
        self.asked.append(login)
        self.begun.set()
        await self.go_on.wait()
        if self.fails:
            raise AgentFailed("the vendor says no", cause=self.fails)
        return login + b"+"


@pytest.fixture
def refresher():
    return FakeRefresher()


@pytest.fixture
async def logins(house, vault, refresher):
    kept = KeptLogins(
        deciding=house.deciding,
        vault=vault,
        refresher=refresher,
        clock=house.clock,
        cause=event_examples.by("system:logins"),
    )
    await hand_in(house, vault)
    yield kept
    refresher.go_on.set()
    await kept.close()


async def hand_in(house, vault, file=b'{"claudeAiOauth":{"accessToken":"a"}}', label="Main"):
    accounts = Accounts(
        deciding=house.deciding, vault=vault, pool=house, clock=house.clock, new_id=house.new_id
    )
    new = NewAccount(
        account_id="main",
        provider="claude",
        auth_type="OAUTH_SESSION",
        label=label,
        credential=file,
    )
    await accounts.register(new, event_examples.CLI)


def set_in(vault, refresher, minutes):
    """The account's token ends so many minutes from now."""
    vault.kept["main"] = b"login"
    refresher.ends[b"login"] = NOW + minutes * MINUTE


async def test_a_token_that_lasts_is_given_as_it_is(logins, vault, refresher):
    set_in(vault, refresher, 30)
    assert (await logins.token("claude", "main")).value == "login"
    assert refresher.asked == []


async def test_a_token_about_to_expire_is_refreshed_and_kept_before_it_is_used(
    logins, vault, refresher, house
):
    set_in(vault, refresher, 4)
    token = await logins.token("claude", "main")
    assert (token.value, vault.kept["main"]) == ("login+", b"login+")
    [fact] = await house.events(TokenRefreshed)
    assert (fact.fingerprint, fact.expires_at) == (vault.fingerprint(b"login+"), NOW + HOUR)


async def test_two_turns_at_once_refresh_a_token_once(logins, vault, refresher):
    set_in(vault, refresher, -1)
    refresher.go_on.clear()
    turns = [asyncio.create_task(logins.token("claude", "main")) for _ in range(3)]
    await refresher.begun.wait()
    refresher.go_on.set()
    assert {(await turn).value for turn in turns} == {"login+"}
    assert refresher.asked == [b"login"]


async def test_a_token_the_provider_refused_is_refreshed_before_its_end(logins, vault, refresher):
    set_in(vault, refresher, 30)
    token = await logins.token("claude", "main", refused="login")
    assert token.value == "login+"


async def test_a_token_refused_right_after_its_refresh_is_left_as_it_is(logins, vault, refresher):
    set_in(vault, refresher, 30)
    fresh = await logins.token("claude", "main", refused="login")
    assert await logins.token("claude", "main", refused=fresh.value) == fresh
    assert refresher.asked == [b"login"]


async def test_a_token_refused_that_is_no_longer_the_newest_is_not_refreshed_again(
    logins, vault, refresher
):
    set_in(vault, refresher, 30)
    assert (await logins.token("claude", "main", refused="older")).value == "login"
    assert refresher.asked == []


async def test_a_refused_refresh_says_that_the_login_is_over(logins, vault, refresher, house):
    set_in(vault, refresher, 4)
    refresher.fails = "auth_failed"
    with pytest.raises(AgentFailed, match="account main: the vendor says no") as refused:
        await logins.token("claude", "main")
    assert refused.value.cause == "auth_failed"
    assert vault.kept["main"] == b"login"
    assert await house.events(TokenRefreshed) == []


async def test_while_the_vendor_cannot_be_asked_a_token_is_used_to_its_end(
    logins, vault, refresher
):
    set_in(vault, refresher, 4)
    refresher.fails = "overloaded"
    assert (await logins.token("claude", "main")).value == "login"


async def test_a_token_that_has_ended_is_not_used_though_the_vendor_cannot_be_asked(
    logins, vault, refresher
):
    set_in(vault, refresher, -1)
    refresher.fails = "overloaded"
    for _ in range(2):
        with pytest.raises(AgentFailed) as failed:
            await logins.token("claude", "main")
        assert failed.value.cause == "overloaded"
    assert refresher.asked == [b"login"], "a vendor that does not answer is left alone for a while"


async def test_a_refresh_goes_on_when_nobody_waits_for_it_any_more(logins, vault, refresher):
    set_in(vault, refresher, -1)
    refresher.go_on.clear()
    turn = asyncio.create_task(logins.token("claude", "main"))
    await refresher.begun.wait()
    turn.cancel()
    await asyncio.wait({turn})
    refresher.go_on.set()
    await logins.close()
    assert vault.kept["main"] == b"login+"


async def test_a_credential_handed_in_meanwhile_is_not_overwritten(logins, vault, refresher):
    set_in(vault, refresher, -1)
    refresher.go_on.clear()
    turn = asyncio.create_task(logins.token("claude", "main"))
    await refresher.begun.wait()
    vault.kept["main"] = b"newer"
    refresher.go_on.set()
    assert (await turn).value == "newer"
    assert vault.kept["main"] == b"newer"


async def test_the_same_login_file_handed_in_again_leaves_the_refreshed_tokens_alone(
    logins, vault, refresher, house
):
    file = vault.kept["main"]
    refresher.ends[file] = NOW
    await logins.token("claude", "main")
    await hand_in(house, vault, file, label="Another label")
    assert vault.kept["main"] == file + b"+"
    await hand_in(house, vault, b'{"claudeAiOauth":{"accessToken":"b"}}')
    assert vault.kept["main"] == b'{"claudeAiOauth":{"accessToken":"b"}}'


async def test_an_account_without_a_credential_is_not_found(logins):
    with pytest.raises(NotFound):
        await logins.token("claude", "nobody")
