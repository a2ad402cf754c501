"""What an agent is lent, and what becomes of a turn whose account is no longer there."""

from pathlib import Path

import pytest

from codara.adapters.agents.claude.turn import ClaudeTurn
from codara.adapters.agents.session.lender import Lender, NoLogins
from codara.clock import utc_now
from codara.errors import AgentFailed
from tests.agent_pool import Den
from tests.fakes.journal import Journal
from tests.fakes.logins import GoneLogins
from tests.fakes.sink import Listener
from tests.fakes.vault import ONE_KEY, SECRET, FakeVault

BASE = "http://127.0.0.1:1"


async def test_a_key_is_lent_as_it_is(tmp_path: Path) -> None:
    lent = await lend(Lender(ONE_KEY, NoLogins(), BASE, BASE), tmp_path)
    assert (lent.secret, lent.base_url) == (SECRET, BASE)


@pytest.mark.parametrize("on_login", [False, True])
async def test_an_account_that_was_removed_is_named(tmp_path: Path, on_login: bool) -> None:
    with pytest.raises(AgentFailed, match="acc_1 was removed") as raised:
        await lend(Lender(FakeVault(), GoneLogins(), BASE, BASE), tmp_path, on_login=on_login)
    assert raised.value.cause == "account_gone"


async def lend(lender, folder, **changes):  # type: ignore[no-untyped-def]  # a Lending
    turn = Den(folder, None, Journal(), "claude").turn("hello", **changes)  # type: ignore[arg-type]
    return await lender.lend(turn, ClaudeTurn(Listener(), utc_now))
