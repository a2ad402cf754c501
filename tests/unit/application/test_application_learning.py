"""Whose models are asked for: those of agents that somebody has an account for."""

import asyncio
from collections.abc import Mapping, Sequence

import attrs
import pytest

from codara.application.learning import Learning
from codara.errors import CodaraError
from tests.turn_setup import FakeAgents


@attrs.frozen
class Standing:
    status: str


@attrs.define
class FakeStandings:
    """Accounts by provider, each by its status."""

    accounts: Mapping[str, Sequence[str]]
    broken: bool = False

    async def of_provider(self, provider: str) -> Sequence[Standing]:
        if self.broken:
            self.broken = False
            raise CodaraError("the read model is away")
        return [Standing(status) for status in self.accounts.get(provider, ())]


def learning(standings: FakeStandings) -> tuple[Learning, FakeAgents]:
    agents = FakeAgents()
    made = Learning(agents=agents, standings=standings, providers=("codex", "gemini"))
    return made, agents


async def test_an_agent_with_an_account_that_can_be_lent_is_asked() -> None:
    work, agents = learning(FakeStandings({"gemini": ("cooldown", "ready")}))
    await work.pass_over()
    assert agents.asked == ["gemini"]


@pytest.mark.parametrize("accounts", [(), ("expired",), ("cooldown", "exhausted")])
async def test_an_agent_without_one_is_not_started(accounts: Sequence[str]) -> None:
    work, agents = learning(FakeStandings({"codex": accounts}))
    await work.pass_over()
    assert agents.asked == []


async def test_an_account_that_is_registered_later_is_seen_whatever_was_wrong_before() -> None:
    standings = FakeStandings({}, broken=True)
    work, agents = learning(standings)
    keeping = asyncio.create_task(work.keep(pause=0))
    while standings.broken:
        await asyncio.sleep(0)
    standings.accounts = {"codex": ("ready",)}
    while not agents.asked:
        await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait({keeping})
    assert set(agents.asked) == {"codex"}
