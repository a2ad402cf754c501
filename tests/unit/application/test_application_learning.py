"""Whose models are asked for: those of agents that somebody has an account for."""

import asyncio
from collections.abc import Sequence

import pytest

from codara.application.learning import Learning
from codara.projections.standings import Standing
from tests.fakes.agents import FakeAgents
from tests.fakes.standings import FakeStandings, standing


def accounts_of(provider: str, *statuses: str) -> list[Standing]:
    return [
        standing(f"acc_{number}", provider=provider, status=status)
        for number, status in enumerate(statuses)
    ]


def learning(standings: FakeStandings) -> tuple[Learning, FakeAgents]:
    agents = FakeAgents()
    made = Learning(agents=agents, standings=standings, providers=("codex", "gemini"))
    return made, agents


async def test_an_agent_with_an_account_that_can_be_lent_is_asked() -> None:
    work, agents = learning(FakeStandings(accounts_of("gemini", "cooldown", "ready")))
    await work.pass_over()
    assert agents.asked == ["gemini"]


@pytest.mark.parametrize("accounts", [(), ("expired",), ("cooldown", "exhausted")])
async def test_an_agent_without_one_is_not_started(accounts: Sequence[str]) -> None:
    work, agents = learning(FakeStandings(accounts_of("codex", *accounts)))
    await work.pass_over()
    assert agents.asked == []


async def test_an_account_that_is_registered_later_is_seen_whatever_was_wrong_before() -> None:
    standings = FakeStandings(broken=True)
    work, agents = learning(standings)
    keeping = asyncio.create_task(work.keep(pause=0))
    while standings.broken:
        await asyncio.sleep(0)
    standings.accounts = accounts_of("codex", "ready")
    while not agents.asked:
        await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait({keeping})
    assert set(agents.asked) == {"codex"}
