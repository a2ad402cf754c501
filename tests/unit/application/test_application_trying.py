"""A request that cannot be tried is refused by its true cause, and leaves nothing behind."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from codara import errors
from codara.application.ports.agents import Outcome
from codara.events import streams
from codara.events.base import Append
from codara.events.request import RequestRefused
from tests import event_examples
from tests.fakes.agents import says_hello
from tests.fakes.standings import standing
from tests.turn_setup import House, close_house, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


async def health(house: House, after: Any, *, minutes: int | None = None) -> None:
    """The account of the house is in this state from now on."""
    until = None if minutes is None else house.clock() + timedelta(minutes=minutes)
    stream = streams.account(event_examples.ACCOUNT)
    changed = event_examples.health_changed(after=after, until=until)
    await house.log.append([Append(stream, 2, [changed])], event_examples.CAUSE)


async def refused(house: House) -> errors.CodaraError:
    """What a request is refused with; nothing but the refusal is recorded."""
    with pytest.raises(errors.CodaraError) as raised:
        await house.ask()
    assert await house.trail("session") == []
    assert (await house.the(RequestRefused)).code == raised.value.code
    assert house.agents.turns == []
    return raised.value


async def test_without_an_account_there_is_no_task(house: House) -> None:
    house.standings.accounts.clear()
    assert isinstance(await refused(house), errors.NoAccount)


async def test_with_a_refused_account_there_is_no_task(house: House) -> None:
    await health(house, "error")
    house.standings.accounts[:] = [standing(status="error")]
    error = await refused(house)
    assert isinstance(error, errors.AccountRefused)
    assert "1 codex account: 1 refused by its provider" in error.message
    assert error.retry_after is None


async def test_while_all_accounts_cool_down_there_is_no_task(house: House) -> None:
    await health(house, "cooldown", minutes=5)
    house.standings.accounts[:] = [
        standing(status="cooldown", until=house.clock() + timedelta(minutes=5))
    ]
    error = await refused(house)
    assert isinstance(error, errors.AllAccountsCooling)
    assert error.retry_after == 300
    house.clock.move(minutes=5)
    assert (await house.ask()).text == "hello"


async def test_a_full_window_is_a_wait_with_an_end(house: House) -> None:
    end = house.clock() + timedelta(minutes=1)
    house.standings.accounts[:] = [standing(headroom=0.0, full_until=end)]
    error = await refused(house)
    assert isinstance(error, errors.AllAccountsCooling)
    assert error.retry_after == 60
    assert "1 exhausted until 12:01 UTC" in error.message
    house.clock.move(minutes=1)
    assert (await house.ask()).text == "hello"


async def test_of_a_cooldown_and_a_full_window_the_later_end_is_told(house: House) -> None:
    await health(house, "cooldown", minutes=1)
    later = house.clock() + timedelta(minutes=9)
    house.standings.accounts[:] = [standing(status="cooldown", full_until=later)]
    assert (await refused(house)).retry_after == 540


async def test_over_several_accounts_the_earliest_end_is_told(house: House) -> None:
    times = [house.clock() + timedelta(minutes=minutes) for minutes in (9, 2, 30)]
    house.standings.accounts[:] = [
        standing(event_examples.ACCOUNT, headroom=0.0, full_until=end) for end in times
    ]
    assert (await refused(house)).retry_after == 120


async def test_without_its_program_there_is_no_task_and_no_path_in_the_answer(
    house: House,
) -> None:
    house.agents.missing = "'/opt/x/codex' was not found: install it"
    error = await refused(house)
    assert isinstance(error, errors.AgentMissing)
    assert (error.code, error.cause) == ("agent_missing", "no_program")
    assert error.message == (
        "The codex agent is not installed here. Only an operator can install it."
    )
    assert (await house.the(RequestRefused)).detail == "'/opt/x/codex' was not found: install it"


async def test_what_the_agent_cannot_take_is_refused_before_the_turn_begins(house: House) -> None:
    house.agents.longest = 3
    error = await refused(house)
    assert isinstance(error, errors.ContextLengthExceeded)
    house.agents.longest = 1000
    assert (await house.ask()).text == "hello"


async def test_a_program_that_goes_while_the_turn_starts_is_missing_and_has_not_crashed(
    house: House,
) -> None:
    async def is_gone(*_: object) -> Outcome:
        raise errors.AgentMissing("'codex' was not found: install it")

    house.agents.script = is_gone
    with pytest.raises(errors.AgentMissing) as raised:
        await house.ask()
    assert raised.value.cause == "no_program"
    assert "not found" not in raised.value.message
    assert len(house.agents.turns) == 1


async def test_the_message_of_a_failure_is_ours_and_the_agents_words_are_a_detail(
    house: House,
) -> None:
    async def fails(*_: object) -> Outcome:
        words = "401 for sk-secret at http://127.0.0.1:8377/responses"
        return Outcome(status="failed", cause="cut_stream", message=words)

    house.agents.script = fails
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    assert "127.0.0.1" not in raised.value.message
    assert "127.0.0.1" in raised.value.detail


async def test_a_sentence_of_ours_beside_an_outcome_is_what_the_caller_is_told(
    house: House,
) -> None:
    told = "The gateway cannot reach api.example.org: its name is not resolved."

    async def fails(*_: object) -> Outcome:
        return Outcome(status="failed", cause="unreachable", message="502", told=told)

    house.agents.script = fails
    with pytest.raises(errors.ProviderUnreachable) as raised:
        await house.ask()
    assert (raised.value.message, raised.value.detail) == (told, "502")
    house.agents.script = says_hello
    assert (await house.ask()).text == "hello"


async def test_the_seventeenth_account_is_lent_when_it_is_the_one_that_is_ready(
    house: House,
) -> None:
    end = house.clock() + timedelta(minutes=1)
    house.standings.accounts[:] = [
        *(standing(f"full_{number}", headroom=0.0, full_until=end) for number in range(16)),
        standing(),
    ]
    assert (await house.ask()).text == "hello"
