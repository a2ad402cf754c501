"""Another account or process takes a turn over, as long as nothing has come of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from codara import errors
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    QuotaSeen,
    ReasoningDelta,
    Reports,
    TextDelta,
    ToolStarted,
    UsageSeen,
    WindowSeen,
)
from codara.application.turns.commands import Message
from codara.events import streams
from codara.events.account import HealthChanged, QuotaObserved
from codara.events.base import Append
from codara.events.session import (
    AccountChanged,
    BackendBound,
    TurnCompleted,
    TurnFailed,
    TurnRetried,
    TurnStarted,
)
from tests import event_examples
from tests.fakes.agents import Script, says_hello
from tests.fakes.standings import standing
from tests.turn_setup import LIMITS, House, close_house, command, open_house

OTHER = "acc_2"
THIRD = "acc_3"


async def join(house: House, *account_ids: str) -> None:
    """More accounts in the pool."""
    for account_id in account_ids:
        facts = [
            event_examples.account_registered(account_id=account_id),
            event_examples.credential_stored(account_id=account_id),
        ]
        await house.log.append(
            [Append(streams.account(account_id), 0, facts)], event_examples.CAUSE
        )
        house.standings.accounts.append(standing(account_id))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    await join(opened, OTHER)
    yield opened
    await close_house(opened)


def failing_on(*accounts: str, cause: str = "rate_limited", **details: object) -> Script:
    """An agent that fails on these accounts and says hello on every other one."""

    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        if turn.account_id not in accounts:
            return await says_hello(turn, sink)
        return Outcome(status="failed", cause=cause, **details)  # type: ignore[arg-type]

    return script


def accounts_used(house: House) -> list[str]:
    return [turn.account_id for turn in house.agents.turns]


@pytest.mark.parametrize(
    ("cause", "health"),
    [
        ("auth_failed", "error"),
        ("quota_exhausted", "exhausted"),
        ("rate_limited", "cooldown"),
        ("overloaded", None),
    ],
)
async def test_another_account_answers_when_one_fails(
    house: House, cause: str, health: str | None
) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT, cause=cause)
    result = await house.ask()
    assert result.text == "hello"
    assert accounts_used(house) == [event_examples.ACCOUNT, OTHER]
    changed = await house.the(AccountChanged)
    assert (changed.before, changed.cause) == (event_examples.ACCOUNT, cause)
    assert changed.account_chosen.account_id == OTHER
    assert ("account.health_changed" in await house.trail("account")) is (health is not None)
    if health:
        assert (await house.the(HealthChanged)).after == health


@pytest.mark.parametrize("cause", ["protocol", "jail"])
async def test_what_the_provider_did_not_say_changes_no_account(house: House, cause: str) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT, cause=cause)
    with pytest.raises(errors.CodaraError) as raised:
        await house.ask()
    assert raised.value.cause == cause
    assert accounts_used(house) == [event_examples.ACCOUNT]
    assert "account.health_changed" not in await house.trail("account")


def vanishing(house: House) -> Script:
    """An account that was removed after the turn had borrowed it."""

    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        if turn.account_id != event_examples.ACCOUNT:
            return await says_hello(turn, sink)
        house.standings.accounts[:] = [
            each for each in house.standings.accounts if each.account_id != event_examples.ACCOUNT
        ]
        raise errors.AgentFailed("it was removed", cause="account_gone")

    return script


async def test_another_account_takes_over_from_one_that_is_gone(house: House) -> None:
    house.agents.script = vanishing(house)
    assert (await house.ask()).text == "hello"
    assert (await house.the(AccountChanged)).cause == "account_gone"
    assert "account.health_changed" not in await house.trail("account")


async def test_an_account_that_is_gone_is_named_where_it_was_the_only_one(house: House) -> None:
    house.standings.accounts.pop()
    house.agents.script = vanishing(house)
    with pytest.raises(errors.NoAccount, match="No codex account is registered") as raised:
        await house.ask()
    assert (raised.value.cause, raised.value.retry_safe) == ("account_gone", True)


async def test_the_change_is_one_append_and_every_lease_comes_back(house: House) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT)
    await house.ask()
    changed = await house.the(AccountChanged)
    assert changed.leases == (f"lease/user/{event_examples.USER}/0", f"lease/account/{OTHER}/0")
    trail = await house.trail("session", "lease", "account")
    at = trail.index("session.account_changed")
    assert trail[at : at + 4] == [
        "session.account_changed",
        "lease.released",
        "lease.taken",
        "account.health_changed",
    ]
    leases = [name for name in trail if name.startswith("lease.")]
    assert leases.count("lease.taken") == leases.count("lease.released") == 3
    for account_id in (event_examples.ACCOUNT, OTHER):
        lease = await house.context.deciding.state(streams.lease("account", account_id, 0))
        assert lease.turn_id is None
        assert house.context.slots.reserve("account", account_id, 1) is not None


async def test_the_turns_own_end_stays(house: House) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT)
    await house.ask()
    first, second = house.agents.turns
    assert first.until == second.until == (await house.the(TurnStarted)).until


async def test_the_conversation_goes_on_with_the_other_account(house: House) -> None:
    await house.ask("one")
    used = accounts_used(house)[0]
    house.agents.script = failing_on(used)
    result = await house.ask("two")
    assert result.thread == "resumed"
    assert [turn.backend_id for turn in house.agents.turns] == [None, "backend-1", "backend-1"]
    assert [turn.prompt for turn in house.agents.turns[1:]] == ["two", "two"]


async def test_the_next_turn_is_not_lent_the_account_that_failed(house: House) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT, cause="auth_failed")
    await house.ask("one")
    await house.ask("two")
    assert accounts_used(house) == [event_examples.ACCOUNT, OTHER, OTHER]


async def test_every_account_is_tried_once(house: House) -> None:
    await join(house, THIRD)
    house.agents.script = failing_on(event_examples.ACCOUNT, OTHER, THIRD, cause="overloaded")
    with pytest.raises(errors.AgentOverloaded):
        await house.ask()
    assert sorted(accounts_used(house)) == [event_examples.ACCOUNT, OTHER, THIRD]
    last = (await house.the(AccountChanged)).account_chosen
    assert last.refused == {"tried": 1, "overloaded": 1}


async def test_when_all_accounts_fail_the_earliest_return_is_told(house: House) -> None:
    soon, late = (house.clock() + timedelta(minutes=minutes) for minutes in (5, 20))

    async def exhausted(turn: AgentTurn, sink: FrameSink) -> Outcome:
        back = soon if turn.account_id == event_examples.ACCOUNT else late
        return Outcome(status="failed", cause="quota_exhausted", resets_at=back)

    house.agents.script = exhausted
    with pytest.raises(errors.AllAccountsCooling) as raised:
        await house.ask()
    assert raised.value.retry_after == 300
    assert raised.value.cause == "quota_exhausted"
    failed = await house.the(TurnFailed)
    assert (failed.code, failed.cause) == ("all_accounts_cooling", "quota_exhausted")
    changes = await house.trail("account")
    assert changes.count("account.health_changed") == 2


async def test_when_every_key_is_refused_the_turn_says_so_and_later_requests_are_refused(
    house: House,
) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT, OTHER, cause="auth_failed")
    with pytest.raises(errors.AgentAuthFailed) as raised:
        await house.ask()
    assert (raised.value.cause, raised.value.retry_after) == ("auth_failed", None)
    assert raised.value.retry_safe is False
    sessions = await house.trail("session")
    with pytest.raises(errors.AccountRefused, match="2 codex accounts: 2 refused by their"):
        await house.ask()
    assert await house.trail("session") == sessions


async def test_a_refused_key_beside_an_account_that_waits_sends_to_the_return_of_that(
    house: House,
) -> None:
    house.agents.script = failing_on(event_examples.ACCOUNT, cause="rate_limited")
    await house.ask()
    house.agents.script = failing_on(OTHER, cause="auth_failed")
    with pytest.raises(errors.AllAccountsCooling) as raised:
        await house.ask()
    assert (raised.value.cause, raised.value.retry_after) == ("auth_failed", 60)
    told = "1 cooling down until 12:01 UTC, 1 refused by its provider"
    assert told in raised.value.message


async def test_with_one_account_the_error_is_its_own(house: House) -> None:
    house.standings.accounts.pop()
    house.agents.script = failing_on(event_examples.ACCOUNT, cause="auth_failed")
    with pytest.raises(errors.AgentAuthFailed):
        await house.ask()
    assert accounts_used(house) == [event_examples.ACCOUNT]


async def test_an_account_that_carries_as_much_as_it_may_takes_nothing_over(
    tmp_path: Path,
) -> None:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, account_slots=1))
    await join(house, OTHER)
    house.context.slots.reserve("account", OTHER, 1)
    house.agents.script = failing_on(event_examples.ACCOUNT)
    with pytest.raises(errors.NoFreeAccount):
        await house.ask()
    assert (await house.the(HealthChanged)).account_id == event_examples.ACCOUNT
    await close_house(house)


@pytest.mark.parametrize(
    "frame", [TextDelta("so far"), ReasoningDelta("hm"), ToolStarted("t1", "command", "ls")]
)
@pytest.mark.parametrize("cause", ["rate_limited", "crashed"])
async def test_nothing_is_said_or_done_twice(house: House, frame: object, cause: str) -> None:
    async def speaks_then_fails(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(frame)  # type: ignore[arg-type]
        return Outcome(status="failed", cause=cause)

    house.agents.script = speaks_then_fails
    with pytest.raises(errors.CodaraError) as raised:
        await house.ask()
    assert raised.value.cause == cause
    assert len(house.agents.turns) == 1


@pytest.mark.parametrize("cause", ["rate_limited", "crashed"])
async def test_a_changed_workspace_is_not_worked_on_twice(house: House, cause: str) -> None:
    async def writes_then_fails(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.files["a.txt"] = "x"
        return Outcome(status="failed", cause=cause)

    house.agents.script = writes_then_fails
    with pytest.raises(errors.CodaraError) as raised:
        await house.ask()
    assert raised.value.retry_safe is False
    assert len(house.agents.turns) == 1


async def test_a_workspace_that_cannot_be_looked_at_is_not_worked_on_twice(house: House) -> None:
    async def breaks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.broken = True
        return Outcome(status="failed", cause="rate_limited")

    house.agents.script = breaks
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    assert raised.value.cause == "rate_limited"
    assert len(house.agents.turns) == 1


async def test_a_cancelled_turn_is_not_taken_over(house: House) -> None:
    handles = []

    async def is_cancelled(turn: AgentTurn, sink: FrameSink) -> Outcome:
        await house.turns.cancel(turn.turn_id, None, event_examples.by("operator:op_1"))
        return Outcome(status="failed", cause="rate_limited")

    house.agents.script = is_cancelled
    handles.append(await house.turns.submit(command()))
    with pytest.raises(errors.TaskCancelled):
        await handles[0].result()
    assert len(house.agents.turns) == 1


async def test_a_turn_out_of_time_is_not_taken_over(house: House) -> None:
    async def takes_all_its_time(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.clock.move(hours=1)
        return Outcome(status="failed", cause="rate_limited")

    house.agents.script = takes_all_its_time
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    assert raised.value.cause == "rate_limited"
    assert len(house.agents.turns) == 1


async def test_a_limit_in_the_middle_of_an_answer_does_not_say_that_all_accounts_wait(
    house: House,
) -> None:
    async def speaks_then_is_limited(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("so far"))
        return Outcome(status="failed", cause="rate_limited", message="429 from 127.0.0.1")

    house.agents.script = speaks_then_is_limited
    with pytest.raises(errors.AgentFailed) as free:
        await house.ask()
    assert (free.value.code, free.value.cause) == ("agent_failed", "rate_limited")
    with pytest.raises(errors.AllAccountsCooling) as none:
        await house.ask()
    assert (none.value.cause, none.value.retry_after) == ("rate_limited", 60)


def dies(times: int) -> Script:
    """An agent whose process ends before it has said anything, so many times."""
    left = [times]

    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        if not left[0]:
            return await says_hello(turn, sink)
        left[0] -= 1
        return Outcome(status="failed", cause="crashed")

    return script


async def test_a_fresh_process_answers_when_one_dies(house: House) -> None:
    house.agents.script = dies(1)
    assert (await house.ask()).text == "hello"
    assert accounts_used(house) == [event_examples.ACCOUNT, event_examples.ACCOUNT]
    assert (await house.the(TurnRetried)).cause == "crashed"


async def test_a_process_that_dies_again_has_crashed(house: House) -> None:
    house.agents.script = dies(2)
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    assert raised.value.cause == "crashed"
    assert (await house.trail("session")).count("session.turn_retried") == 1


async def test_a_missing_program_is_not_looked_for_twice(house: House) -> None:
    async def missing(turn: AgentTurn, sink: FrameSink) -> Outcome:
        raise errors.AgentFailed("codex was not found")

    house.agents.script = missing
    with pytest.raises(errors.AgentFailed):
        await house.ask()
    assert len(house.agents.turns) == 1


async def test_tokens_and_quota_of_both_accounts_are_recorded(house: House) -> None:
    async def counts(turn: AgentTurn, sink: FrameSink) -> Outcome:
        failed = turn.account_id == event_examples.ACCOUNT
        for tokens in (40, 100) if failed else (10,):
            reports = Reports(tuple({"so far": each} for each in (40, tokens) if each <= tokens))
            sink.frame(UsageSeen(tokens, 0, 0, 1, 0, reports))
        window = WindowSeen("5h", 100.0 if failed else 7.0, 300, None)
        sink.frame(QuotaSeen("headers", (window,)))
        return Outcome(status="failed", cause="quota_exhausted") if failed else await hello(sink)

    async def hello(sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("hello"))
        return Outcome(status="completed", backend_id="b")

    house.agents.script = counts
    result = await house.ask()
    assert result.usage is not None and (result.usage.input, result.usage.output) == (110, 2)
    told = [{"so far": tokens} for tokens in (40, 100, 10)]
    assert result.usage.raw == {"reports": told, "left_out": 0}
    recorded = await house.log.read(0, limit=1000)
    seen = [each.event for each in recorded if isinstance(each.event, QuotaObserved)]
    assert [(each.account_id, each.windows[0].used_percent) for each in seen] == [
        (event_examples.ACCOUNT, 100.0),
        (OTHER, 7.0),
    ]


async def test_what_recovery_folds_is_what_the_turn_holds(house: House) -> None:
    seen = []

    async def looks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        if turn.account_id == event_examples.ACCOUNT:
            return Outcome(status="failed", cause="rate_limited")
        (session,) = {
            each.stream
            for each in await house.log.read(0, limit=1000)
            if each.event.name == "session.turn_started"
        }
        seen.append((await house.context.deciding.state(session)).turn.started)
        return await says_hello(turn, sink)

    house.agents.script = looks
    await house.ask()
    (started,) = seen
    assert started.account_chosen.account_id == OTHER
    assert started.leases == (await house.the(AccountChanged)).leases


async def test_a_known_session_has_its_agent_started_ahead(house: House) -> None:
    await house.ask("one")
    assert house.agents.prepared == []
    await house.ask("two")
    (early,) = house.agents.prepared
    assert (early.backend_id, early.account_id) == ("backend-1", "")


async def forgets(turn: AgentTurn, sink: FrameSink) -> Outcome:
    """An agent that has lost every thread."""
    sink.frame(BackendSeen("backend-2"))
    sink.frame(TextDelta("who are you?"))
    return Outcome(status="completed", backend_id="backend-2")


async def test_a_thread_the_agent_lost_is_called_fresh(house: House) -> None:
    await house.ask("one")
    house.agents.script = forgets
    result = await house.ask("two", idempotency_key="k")
    assert (result.thread, result.backend_id) == ("fresh", "backend-2")
    completed = await house.the(TurnCompleted)
    assert completed.end.lost_thread
    again = await house.turns.submit(command("two", idempotency_key="k"))
    assert (await again.started()).thread == "fresh"
    assert (await again.result()).thread == "fresh"


async def test_a_fresh_thread_has_heard_what_it_was_told_and_no_more(house: House) -> None:
    await house.ask("one")
    house.agents.script = forgets
    await house.ask("two")
    thread = (await house.the(TurnCompleted)).end.thread
    assert (thread.backend_id, thread.point.entries) == ("backend-2", 2)
    heard = (await house.the(BackendBound)).heard
    assert (heard.backend_id, heard.point.entries) == (None, 1)
    history = (Message("user", "one"), Message("assistant", "hello"), Message("user", "three"))
    house.agents.script = says_hello
    assert (await house.ask("three", messages=history)).thread == "fresh"
    assert "session.history_diverged" in await house.trail("session")


async def test_a_fresh_thread_that_heard_the_whole_history_goes_on(house: House) -> None:
    await house.ask("one")
    house.agents.script = forgets
    told = [Message("user", "one"), Message("assistant", "hello"), Message("user", "two")]
    await house.ask("two", messages=tuple(told))
    house.agents.script = says_hello
    told += [Message("assistant", "who are you?"), Message("user", "three")]
    assert (await house.ask("three", messages=tuple(told))).thread == "resumed"
    assert house.agents.turns[-1].prompt == "three"


async def test_a_new_thread_is_new_on_whichever_account(house: House) -> None:
    async def binds_then_fails(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(BackendSeen(f"backend-of-{turn.account_id}"))
        if turn.account_id == event_examples.ACCOUNT:
            return Outcome(status="failed", cause="rate_limited")
        sink.frame(TextDelta("hello"))
        return Outcome(status="completed")

    house.agents.script = binds_then_fails
    result = await house.ask()
    assert (result.thread, result.backend_id) == ("new", f"backend-of-{OTHER}")
    assert [turn.backend_id for turn in house.agents.turns] == [None, None]


async def test_an_agent_is_told_whether_its_turn_could_go_elsewhere(house: House) -> None:
    told: list[bool] = []

    async def asks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        told.append(await turn.elsewhere())
        if turn.account_id == event_examples.ACCOUNT:
            return Outcome(status="failed", cause="rate_limited")
        sink.frame(TextDelta("so far"))
        told.append(await turn.elsewhere())
        return await says_hello(turn, sink)

    house.agents.script = asks
    await house.ask()
    assert told == [True, False, False]


async def test_an_account_without_a_free_slot_is_nowhere_to_go(tmp_path: Path) -> None:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, account_slots=1))
    await join(house, OTHER)
    house.context.slots.reserve("account", OTHER, 1)
    told: list[bool] = []

    async def asks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        told.append(await turn.elsewhere())
        return await says_hello(turn, sink)

    house.agents.script = asks
    await house.ask()
    assert told == [False]
    await close_house(house)
