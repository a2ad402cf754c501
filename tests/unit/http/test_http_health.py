"""What operators and load balancers are told of the followers of the log."""

from types import SimpleNamespace
from typing import Any

import pytest
from http_with_fakes import opened, services

from codara.application.health import Followers, Health
from codara.events.store.follower import FollowerStanding
from tests.fakes.health import FakeHealth
from tests.fakes.operators import OPERATOR_TOKEN

WELL = FollowerStanding(
    name="views.users", position=12, lag_seconds=0.0, trouble=None, essential=True
)
OUTSIDE = FollowerStanding(
    name="webhooks", position=9, lag_seconds=31.23456, trouble="TimeoutError", essential=False
)
INSIDE = FollowerStanding(
    name="ledger", position=3, lag_seconds=2.0, trouble="no room", essential=True
)


async def told(*standings: FollowerStanding) -> tuple[dict[str, Any], int]:
    """What an operator is told, and the status of `/readyz`."""
    health = Health(followers=Followers([lambda: standings]))
    bundle = services(health=health, views=SimpleNamespace(position=lambda: 12))
    async with opened(bundle) as door:
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        answer = await door.ask("GET", "/management/v1/health", headers=headers)
        ready = await door.ask("GET", "/readyz")
        return (await answer.json())["data"], ready.status


async def test_each_follower_is_shown_by_name() -> None:
    shown, ready = await told(OUTSIDE, WELL)
    assert shown["followers"] == [
        {"name": "views.users", "position": 12, "lag_seconds": 0.0, "trouble": None},
        {"name": "webhooks", "position": 9, "lag_seconds": 31.235, "trouble": "TimeoutError"},
    ]
    assert (shown["read_models_position"], ready) == (12, 200)


async def test_while_all_follow_health_is_ok() -> None:
    shown, ready = await told(WELL)
    assert (shown["status"], shown["reasons"], ready) == ("ok", [], 200)


async def test_one_that_reaches_outside_degrades_health_alone() -> None:
    shown, ready = await told(WELL, OUTSIDE)
    assert shown["status"] == "degraded"
    assert (shown["reasons"], ready) == (["follower webhooks: TimeoutError"], 200)


async def test_an_essential_one_in_trouble_makes_the_gateway_not_ready() -> None:
    shown, ready = await told(INSIDE, OUTSIDE)
    assert shown["status"] == "degraded"
    reasons = ["follower ledger: no room", "follower webhooks: TimeoutError"]
    assert (shown["reasons"], ready) == (reasons, 503)


@pytest.mark.parametrize(("wrong", "status"), [([], 200), (["the log is gone"], 503)])
async def test_what_providers_lack_stands_beside_the_reasons_and_changes_no_status(
    wrong: list[str], status: int
) -> None:
    lacking = ["codex: its program is missing", "gemini: no account is registered"]
    health = FakeHealth(wrong=wrong, lacking=lacking)
    async with opened(services(health=health)) as door:
        ready = await door.ask("GET", "/readyz")
        said = await ready.json()
    assert (ready.status, said["reasons"], said["warnings"]) == (status, wrong, lacking)


async def test_a_check_that_is_under_way_is_a_warning_and_degrades_nothing() -> None:
    health = FakeHealth(under_way=["the log is checked up to event 5 of 9"])
    bundle = services(health=health, views=SimpleNamespace(position=lambda: 12))
    async with opened(bundle) as door:
        ready = await door.ask("GET", "/readyz")
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        answer = await door.ask("GET", "/management/v1/health", headers=headers)
        assert (ready.status, (await ready.json())["warnings"]) == (200, health.under_way)
        assert (await answer.json())["data"]["status"] == "ok"


async def test_what_providers_lack_degrades_health() -> None:
    health = FakeHealth(lacking=["codex: its program is missing"])
    bundle = services(health=health, views=SimpleNamespace(position=lambda: 12))
    async with opened(bundle) as door:
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        answer = await door.ask("GET", "/management/v1/health", headers=headers)
        shown = (await answer.json())["data"]
    assert (shown["status"], shown["reasons"]) == ("degraded", health.lacking)
