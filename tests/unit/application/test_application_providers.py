"""What the providers of a gateway lack, told from the accounts and programs there are now."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import attrs
import pytest

from codara.application.providers import ProviderWarnings
from codara.errors import AgentFailed
from tests.fakes.clock import FixedClock
from tests.fakes.standings import FakeStandings, standing


@attrs.define
class Programs:
    """Agents, of which some have lost their program."""

    missing: set[str] = attrs.field(factory=set)

    async def models(self, provider: str) -> Sequence[str]:
        if provider in self.missing:
            raise AgentFailed("'/home/ann/bin/codex' was not found")
        return ()


@attrs.define
class Situation:
    programs: Programs = attrs.field(factory=Programs)
    standings: FakeStandings = attrs.field(factory=FakeStandings)
    clock: FixedClock = attrs.field(factory=FixedClock)

    def having(self, **changes: Any) -> None:
        """One more account."""
        account_id = f"acc-{len(self.standings.accounts)}"
        self.standings.accounts.append(standing(account_id, **changes))

    async def told(self, *providers: str) -> list[str]:
        return await ProviderWarnings(
            agents=cast(Any, self.programs),
            standings=self.standings,
            providers=providers or ("codex",),
            clock=self.clock,
        )()


@pytest.fixture
def here() -> Situation:
    return Situation()


async def test_a_provider_with_a_program_and_a_ready_account_lacks_nothing(here: Situation) -> None:
    here.having(status="error")
    here.having()
    assert await here.told() == []


async def test_one_without_an_account_is_named(here: Situation) -> None:
    here.having()
    assert await here.told("codex", "gemini") == ["gemini: no account is registered"]


async def test_one_without_a_program_is_named_and_its_path_is_not(here: Situation) -> None:
    here.having()
    here.programs.missing = {"codex"}
    assert await here.told() == ["codex: its program is missing"]


async def test_both_lacks_are_told(here: Situation) -> None:
    here.programs.missing = {"codex"}
    told = await here.told()
    assert told == ["codex: its program is missing", "codex: no account is registered"]


@pytest.mark.parametrize("status", ["error", "expired", "disabled", "cooldown", "exhausted"])
async def test_accounts_that_may_not_be_lent_are_counted_by_their_state(
    here: Situation, status: str
) -> None:
    here.having(status=status)
    [told] = await here.told()
    assert told.startswith("codex: no account may be lent (1 codex account: 1 ")


async def test_an_account_with_nothing_left_is_exhausted_though_its_status_is_ready(
    here: Situation,
) -> None:
    here.having(full_until=here.clock() + timedelta(hours=1))
    [told] = await here.told()
    assert told.startswith("codex: no account may be lent (1 codex account: 1 exhausted until ")
    here.clock.move(hours=1)
    assert await here.told() == []


async def test_a_cooldown_that_is_over_is_no_lack(here: Situation) -> None:
    here.having(status="cooldown", until=here.clock() + timedelta(seconds=60))
    assert len(await here.told()) == 1
    here.clock.move(seconds=60)
    assert await here.told() == []
