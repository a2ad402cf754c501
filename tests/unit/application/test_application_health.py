"""What keeps turns from running, and what is in trouble although they run."""

import asyncio

import pytest

from codara.application.health import UNKNOWN, Followers, Health
from codara.events.store.follower import FollowerStanding


def standing(name: str, **changes: object) -> FollowerStanding:
    well: dict[str, object] = {
        "position": 7,
        "lag_seconds": 0.0,
        "trouble": None,
        "essential": True,
    }
    return FollowerStanding(name=name, **{**well, **changes})  # type: ignore[arg-type]


def health(*standings: FollowerStanding, wrong: tuple[str, ...] = ()) -> Health:
    followers = Followers()
    for each in standings:
        followers.add(lambda each=each: [each])  # type: ignore[misc]
    return Health([lambda: wrong], followers)


def test_followers_are_told_in_the_order_of_their_names() -> None:
    told = health(standing("webhooks"), standing("ledger"), standing("views.users"))
    assert [each.name for each in told.standings()] == ["ledger", "views.users", "webhooks"]


def test_all_is_well() -> None:
    told = health(standing("ledger", lag_seconds=5.0), standing("webhooks", essential=False))
    assert (told.reasons(), told.degraded_by()) == ([], [])


def test_an_essential_one_in_trouble_keeps_turns_from_running() -> None:
    told = health(
        standing("ledger", trouble="no room", lag_seconds=60.0),
        standing("views.users", trouble="a defect"),
        wrong=("the log takes no writes",),
    )
    assert told.reasons() == [
        "the log takes no writes",
        "follower ledger: no room",
        "read model users: a defect",
    ]
    assert told.degraded_by() == []


def test_one_that_reaches_outside_degrades_health_alone() -> None:
    told = health(standing("webhooks", essential=False, trouble="refused", lag_seconds=60.0))
    assert told.reasons() == []
    assert told.degraded_by() == ["follower webhooks: refused"]


def test_essential_ones_that_are_late_are_told_read_models_in_one_line() -> None:
    told = health(
        standing("views.users", lag_seconds=6.2),
        standing("views.tasks", lag_seconds=8.9),
        standing("views.audit", lag_seconds=900.0, trouble="a defect"),
        standing("ledger", lag_seconds=12.0),
        standing("webhooks", lag_seconds=900.0, essential=False),
    )
    assert told.reasons() == [
        "read model audit: a defect",
        "the read models are 9 s behind the log",
        "follower ledger is 12 s behind the log",
    ]


async def test_providers_lack_nothing_where_nobody_is_asked() -> None:
    assert await health().warnings() == []


async def test_what_providers_lack_is_no_reason() -> None:
    async def lacks() -> list[str]:
        return ["codex: its program is missing"]

    told = Health(lacks=lacks)
    assert (await told.warnings(), told.reasons()) == (["codex: its program is missing"], [])


async def test_a_question_that_fails_is_said_and_breaks_nothing() -> None:
    async def lacks() -> list[str]:
        raise OSError("the read model is gone")

    assert await Health(lacks=lacks).warnings() == [UNKNOWN]


async def test_a_question_that_is_never_answered_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lacks() -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("codara.application.health.ASKING_SECONDS", 0.01)
    assert await Health(lacks=lacks).warnings() == [UNKNOWN]
