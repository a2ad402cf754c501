"""A turn: three appends, one answer, and an end whatever happens."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara import errors
from codara.application.callers import Caller
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import (
    BackendSeen,
    QuotaSeen,
    Reports,
    TextDelta,
    ToolStarted,
    UsageSeen,
    Warned,
)
from codara.application.turns.commands import Message
from codara.events import streams
from codara.events.account import HealthChanged
from codara.events.base import Append
from codara.events.request import RequestRefused
from codara.events.session import (
    SessionExpired,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnStarted,
)
from codara.events.store import writer as writing
from codara.events.store.groups import Fate, Group
from codara.events.workspace import DiffRecorded
from codara.projections.standings import Standing
from tests import event_examples
from tests.disk_failures import no_writes
from tests.fakes.agents import FakeAgents, says_hello
from tests.fakes.read_models import FakeFeed
from tests.fakes.standings import FakeStandings, standing
from tests.turn_setup import LIMITS, House, close_house, command, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    yield opened
    await close_house(opened)


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[House]:
    """A house that stops a turn as soon as nobody listens, whatever key it has."""
    opened = await open_house(tmp_path, attrs.evolve(LIMITS, keyed_disconnect_grace=0.0))
    yield opened
    await close_house(opened)


def failing(cause: str, **details: object) -> object:
    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        return Outcome(status="failed", cause=cause, **details)  # type: ignore[arg-type]

    return script


class Gate:
    """An agent that says `first`, then waits to be let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(BackendSeen("backend-1"))
        sink.frame(TextDelta("first"))
        self.reached.set()
        await self.open.wait()
        sink.frame(TextDelta(" second"))
        return Outcome(status="completed", backend_id="backend-1")


async def test_a_turn_is_three_appends_and_an_answer(house: House) -> None:
    result = await house.ask("hello")
    assert result.text == "hello"
    assert result.thread == "new"
    assert result.backend_id == "backend-1"
    assert await house.trail("session", "workspace", "lease", "request") == [
        "workspace.provisioned",
        "session.opened",
        "session.turn_requested",
        "request.accepted",
        "session.turn_started",
        "workspace.locked",
        "lease.taken",
        "lease.taken",
        "session.backend_bound",
        "workspace.diff_recorded",
        "workspace.unlocked",
        "lease.released",
        "lease.released",
        "session.turn_completed",
    ]


async def test_the_second_turn_resumes_the_thread_of_the_first(house: House) -> None:
    await house.ask("one")
    second = await house.ask("two")
    assert second.thread == "resumed"
    assert [turn.backend_id for turn in house.agents.turns] == [None, "backend-1"]
    assert house.agents.turns[1].prompt == "two"


async def test_a_client_that_sends_its_history_is_heard_once(house: House) -> None:
    await house.ask("one")
    history = (Message("user", "one"), Message("assistant", "hello"), Message("user", "two"))
    await house.ask("two", messages=history)
    assert house.agents.turns[1].prompt == "two"


async def test_another_history_begins_a_fresh_thread(house: House) -> None:
    await house.ask("one")
    history = (Message("user", "uno"), Message("assistant", "hi"), Message("user", "two"))
    result = await house.ask("two", messages=history)
    assert result.thread == "fresh"
    assert "session.history_diverged" in await house.trail("session")
    assert house.agents.turns[1].backend_id is None
    assert "uno" in house.agents.turns[1].prompt


async def test_an_expired_session_begins_a_fresh_thread(house: House) -> None:
    await house.ask("one")
    house.clock.move(hours=25)
    assert (await house.ask("two")).thread == "fresh"


async def test_behind_a_thread_that_is_full_a_fresh_one_begins(house: House) -> None:
    async def overflows(turn: AgentTurn, sink: FrameSink) -> Outcome:
        return Outcome(status="failed", cause="context_full", backend_id=turn.backend_id)

    await house.ask("one")
    house.agents.script = overflows
    with pytest.raises(errors.CodaraError) as refused:
        await house.ask("two")
    assert refused.value.cause == "context_full"
    house.agents.script = says_hello
    assert (await house.ask("three")).thread == "fresh"
    assert house.agents.turns[-1].backend_id is None


async def test_what_the_agent_changed_is_recorded_and_answered(house: House) -> None:
    async def writes(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.files["a.txt"] = "x"
        return await says_hello(turn, sink)

    house.agents.script = writes
    result = await house.ask()
    assert result.modified_files == ["a.txt"]
    assert result.diff.startswith("--- /dev/null")
    assert [action["path"] for action in result.actions] == ["a.txt"]
    assert (await house.the(DiffRecorded)).files == result.files


async def test_a_busy_session_refuses_a_second_turn_at_once(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one"))
    with pytest.raises(errors.SessionBusy) as refused:
        await house.turns.submit(command("two"))
    assert refused.value.retry_safe is False
    gate.open.set()
    async with first:
        await first.result()
    assert "request.refused" in await house.trail("request")


async def test_two_sessions_of_one_workspace_work_one_after_the_other(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one", session_label="a"))
    second = asyncio.create_task(house.ask("two", session_label="b"))
    await gate.reached.wait()
    await waits(house)
    assert len(house.agents.turns) == 1
    gate.open.set()
    assert (await second).text == "first second"
    assert (await first.result()).text == "first second"
    (waited,) = [each.waited for each in await all_of(house, TurnStarted) if each.waited]
    assert (waited.what, waited.behind) == ("workspace", first.turn_id)


async def waits(house: House) -> None:
    """Until somebody stands in the line."""
    async with asyncio.timeout(10):
        while not house.turns.waiting():
            await asyncio.sleep(0)


async def all_of(house: House, kind: type[Any]) -> list[Any]:
    recorded = await house.log.read(0, limit=10_000)
    return [each.event for each in recorded if isinstance(each.event, kind)]


async def test_a_workspace_held_too_long_is_busy(tmp_path: Path) -> None:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, queue_timeout=0.05))
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one", session_label="a"))
    await first.started()
    with pytest.raises(errors.WorkspaceBusy, match=first.turn_id):
        await house.turns.submit(command("two", session_label="b"))
    with pytest.raises(errors.SessionBusy, match=first.turn_id):
        await house.turns.submit(command("two", session_label="a"))
    refused = await all_of(house, RequestRefused)
    assert [each.code for each in refused] == ["workspace_busy", "session_busy"]
    gate.open.set()
    await first.result()
    await close_house(house)


async def test_a_second_request_for_a_named_session_waits_for_the_first(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one"))
    second = asyncio.create_task(house.ask("two"))
    await waits(house)
    gate.open.set()
    result = await second
    assert (result.session_id, result.thread) == (first.session_id, "resumed")


async def test_who_waits_is_listed_with_what_it_waits_for(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one"))
    second = asyncio.create_task(house.ask("two", session_label="b"))
    await waits(house)
    (waiter,) = house.turns.waiting()
    assert (waiter.lack.what, waiter.lack.behind) == ("workspace", first.turn_id)
    assert (waiter.wanted.user_id, waiter.since) == (event_examples.USER, house.clock())
    gate.open.set()
    await second
    assert house.turns.waiting() == []


async def test_a_user_at_the_limit_waits_unless_told_not_to(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    one = Caller(user_id=event_examples.USER, key_id=event_examples.KEY, max_concurrency=1)
    first = await house.turns.submit(command("one", caller=one))
    elsewhere = {"caller": one, "workspace": "elsewhere"}
    with pytest.raises(errors.ConcurrencyLimit) as refused:
        await house.turns.submit(command("two", refuse=True, **elsewhere))
    assert refused.value.retry_after
    second = asyncio.create_task(house.ask("two", **elsewhere))
    await waits(house)
    gate.open.set()
    await first.result()
    assert (await second).text == "first second"


async def test_without_an_account_there_is_no_turn(house: House) -> None:
    house.standings.accounts.clear()
    with pytest.raises(errors.NoAccount):
        await house.turns.submit(command())
    assert await house.trail("session") == []


async def test_nothing_is_refused_on_the_word_of_a_read_model_that_is_behind(
    tmp_path: Path,
) -> None:
    feed = FakeFeed()
    house = await open_house(tmp_path, feed=feed)
    known = list(house.standings.accounts)
    house.standings.accounts.clear()
    feed.behind = lambda: house.standings.accounts.extend(known)
    assert (await house.ask()).text == "hello"
    await close_house(house)


async def test_nothing_is_refused_on_the_word_of_a_read_model_that_catches_up_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = FakeFeed()
    house = await open_house(tmp_path, feed=feed)
    feed.behind = lambda: None
    of_provider = FakeStandings.of_provider

    async def as_they_were(standings: FakeStandings, provider: str) -> Sequence[Standing]:
        if feed.behind is None:
            return await of_provider(standings, provider)
        feed.behind = None
        return []

    monkeypatch.setattr(FakeStandings, "of_provider", as_they_were)
    assert (await house.ask()).text == "hello"
    await close_house(house)


async def test_a_full_account_is_waited_for(tmp_path: Path) -> None:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, account_slots=1))
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one", workspace="a"))
    await gate.reached.wait()
    second = await house.turns.submit(command("two", workspace="b"))
    gate.open.set()
    await second.result()
    await first.result()
    await close_house(house)


async def test_the_account_with_most_headroom_is_lent(house: House) -> None:
    house.standings.accounts.append(standing("acc_2", headroom=10.0))
    house.standings.accounts[0] = standing(headroom=90.0)
    await house.ask()
    started = await house.the(TurnStarted)
    assert started.account_chosen.account_id == event_examples.ACCOUNT
    assert started.account_chosen.refused == {"removed": 1}


@pytest.mark.parametrize(
    ("cause", "error", "health"),
    [
        ("auth_failed", errors.AgentAuthFailed, "error"),
        ("quota_exhausted", errors.AllAccountsCooling, "exhausted"),
        ("rate_limited", errors.AllAccountsCooling, "cooldown"),
        ("overloaded", errors.AgentOverloaded, None),
        ("context_full", errors.ContextLengthExceeded, None),
        ("unknown_model", errors.ModelNotFound, None),
        ("stalled", errors.AgentStalled, None),
        ("timeout", errors.TurnTimeout, None),
        ("cut_stream", errors.AgentFailed, None),
        ("content_filter", errors.AgentFailed, None),
        ("crashed", errors.AgentFailed, None),
        ("a cause nobody thought of", errors.AgentFailed, None),
    ],
)
async def test_a_failed_agent_is_never_an_answer(
    house: House, cause: str, error: type[errors.CodaraError], health: str | None
) -> None:
    house.agents.script = failing(cause)  # type: ignore[assignment]
    with pytest.raises(error) as raised:
        await house.ask()
    assert raised.value.cause == cause
    assert (await house.the(TurnFailed)).code == error.code
    changes = await house.trail("account")
    assert ("account.health_changed" in changes) is (health is not None)
    if health:
        assert (await house.the(HealthChanged)).after == health


async def test_an_account_is_ready_again_when_its_time_has_come(house: House) -> None:
    resets = house.clock() + timedelta(minutes=10)
    house.agents.script = failing("quota_exhausted", resets_at=resets)  # type: ignore[assignment]
    with pytest.raises(errors.AllAccountsCooling) as first:
        await house.ask()
    assert first.value.retry_after == 600
    house.clock.move(minutes=4)
    with pytest.raises(errors.AllAccountsCooling) as second:
        await house.ask()
    assert second.value.retry_after == 360
    house.agents.script = says_hello
    house.clock.move(minutes=6)
    assert (await house.ask()).text == "hello"


async def test_a_failure_after_a_tool_ran_is_not_safe_to_repeat(house: House) -> None:
    async def runs_a_tool(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(ToolStarted("t1", "command", "ls"))
        return Outcome(status="failed", cause="crashed")

    house.agents.script = runs_a_tool
    with pytest.raises(errors.AgentFailed) as raised:
        await house.ask()
    assert raised.value.retry_safe is False


async def test_a_failed_turn_leaves_the_session_dirty_until_one_completes(house: House) -> None:
    house.agents.script = failing("crashed")  # type: ignore[assignment]
    with pytest.raises(errors.AgentFailed):
        await house.ask()
    house.agents.script = says_hello
    await house.ask("again")
    requested = [e for e in await house.log.read(0, limit=1000) if hasattr(e.event, "dirty")]
    assert [each.event.dirty for each in requested] == [False, True]


async def test_the_last_listener_leaving_cancels_the_turn(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command())
    async with handle:
        await gate.reached.wait()
    with pytest.raises(errors.ClientClosedRequest):
        await handle.result()
    assert house.agents.cancelled == 1
    cancelled = await house.the(TurnCancelled)
    assert (cancelled.cause, cancelled.answer) == ("client_gone", "first")
    assert (await house.trail("lease"))[-2:] == ["lease.released", "lease.released"]


async def test_a_listener_that_stays_keeps_the_turn(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("x", idempotency_key="k"))
    second = await house.turns.submit(command("x", idempotency_key="k"))
    async with second:
        async with first:
            await gate.reached.wait()
        gate.open.set()
        assert (await second.result()).text == "first second"
    assert len(house.agents.turns) == 1


async def test_who_joins_late_hears_everything(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    await house.turns.submit(command("x", idempotency_key="k"))
    await gate.reached.wait()
    late = await house.turns.submit(command("x", idempotency_key="k"))
    gate.open.set()
    frames = [frame async for frame in late.frames() if isinstance(frame, TextDelta)]
    assert "".join(frame.text for frame in frames) == "first second"


async def test_nobody_who_listens_is_woken_for_what_only_the_end_tells(house: House) -> None:
    async def says(turn: AgentTurn, sink: FrameSink) -> Outcome:
        for frame in (
            BackendSeen("backend-1"),
            Warned("an old key"),
            QuotaSeen("headers", ()),
            UsageSeen(1, 0, 0, 1, 0, Reports()),
            TextDelta("hello"),
        ):
            sink.frame(frame)
        return Outcome(status="completed", backend_id="backend-1")

    house.agents.script = says
    handle = await house.turns.submit(command("x"))
    assert [frame async for frame in handle.frames()] == [TextDelta("hello")]
    result = await handle.result()
    assert (result.backend_id, result.usage and result.usage.input) == ("backend-1", 1)


async def test_a_repeated_key_gets_the_recorded_answer(house: House) -> None:
    first = await house.ask("x", idempotency_key="k")
    again = await house.turns.submit(command("x", idempotency_key="k"))
    assert again.replayed
    result = await again.result()
    assert attrs.evolve(result, timings={}) == attrs.evolve(first, timings={})
    assert len(house.agents.turns) == 1
    assert "request.answered" in await house.trail("request")


async def test_a_repeated_key_with_another_body_conflicts(house: House) -> None:
    await house.ask("x", idempotency_key="k")
    with pytest.raises(errors.IdempotencyConflict):
        await house.turns.submit(command("y", idempotency_key="k"))


async def test_an_untouched_failure_frees_the_key(house: House) -> None:
    house.agents.script = failing("overloaded")  # type: ignore[assignment]
    with pytest.raises(errors.AgentOverloaded):
        await house.ask("x", idempotency_key="k")
    house.agents.script = says_hello
    assert (await house.ask("x", idempotency_key="k")).text == "hello"


async def test_a_failure_with_effects_is_replayed_as_its_error(house: House) -> None:
    async def writes_and_dies(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.files["a.txt"] = "x"
        return Outcome(status="failed", cause="crashed")

    house.agents.script = writes_and_dies
    with pytest.raises(errors.AgentFailed):
        await house.ask("x", idempotency_key="k")
    again = await house.turns.submit(command("x", idempotency_key="k"))
    with pytest.raises(errors.AgentFailed) as replayed:
        await again.result()
    assert (replayed.value.cause, replayed.value.retry_safe) == ("crashed", False)


async def test_an_sdks_own_retry_joins_the_running_turn(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("x"))
    second = await house.turns.submit(command("x", retry=True))
    assert second.turn_id == first.turn_id
    gate.open.set()
    await second.result()


class Stubborn(Gate):
    """An agent that takes its time to heed an interrupt."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = asyncio.Event()
        self.heeds = asyncio.Event()

    async def __call__(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        try:
            return await super().__call__(turn, sink)
        except asyncio.CancelledError:
            self.interrupted.set()
            await self.heeds.wait()
            raise


@pytest.mark.parametrize("again", [{"retry": True}, {"idempotency_key": "k"}])
async def test_a_retry_does_not_join_a_turn_that_is_being_stopped(
    impatient: House, again: dict[str, object]
) -> None:
    house, agent = impatient, Stubborn()
    house.agents.script = agent
    key = {name: value for name, value in again.items() if name != "retry"}
    async with await house.turns.submit(command("x", **key)) as left:
        await agent.reached.wait()
    await agent.interrupted.wait()
    house.agents.script = says_hello
    retrying = asyncio.create_task(house.turns.submit(command("x", **again)))
    agent.heeds.set()
    handle = await retrying
    assert handle.turn_id != left.turn_id
    assert (await handle.result()).text == "hello"


async def test_a_stopped_turn_with_effects_tells_its_client_so_who_asks_again(
    impatient: House,
) -> None:
    house, gate = impatient, Gate()
    house.agents.script = gate
    async with await house.turns.submit(command("x", idempotency_key="k")):
        await gate.reached.wait()
        house.workspaces.files["a.txt"] = "x"
    await house.happened("session.turn_cancelled")
    again = await house.turns.submit(command("x", idempotency_key="k"))
    with pytest.raises(errors.TaskCancelled, match="had done until then stays"):
        await again.result()


async def test_a_requests_id_may_come_again_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        opened = await open_house(tmp_path)
        try:
            assert (await opened.ask("hello", request_id="req_of_the_client")).text == "hello"
        finally:
            await close_house(opened)


async def test_no_text_costs_a_turn_its_end(house: House) -> None:
    odd = '```json\n{"type": "write_file", "path": "a", "content": "\\ud83d"}\n```'

    async def says_something_odd(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta(odd))
        return Outcome(status="completed", backend_id="backend-1")

    house.agents.script = says_something_odd
    result = await house.ask()
    assert (result.text, result.actions) == (odd, ())


async def test_many_identical_requests_with_one_key_run_one_turn(house: House) -> None:
    wanted = [house.turns.submit(command("x", idempotency_key="k")) for _ in range(20)]
    handles = await asyncio.gather(*wanted)
    assert len({handle.turn_id for handle in handles}) == 1
    await asyncio.gather(*(handle.result() for handle in handles))
    assert len(house.agents.turns) == 1


async def test_a_cancelled_turn_says_who_cancelled_it(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command())
    await gate.reached.wait()
    await house.turns.cancel(
        handle.turn_id, event_examples.USER, event_examples.by("operator:op_1")
    )
    with pytest.raises(errors.TaskCancelled):
        await handle.result()
    recorded = await house.log.read(0, limit=1000)
    (cancelled,) = [each for each in recorded if isinstance(each.event, TurnCancelled)]
    assert cancelled.metadata.actor == "operator:op_1"


async def test_a_client_that_leaves_while_it_waits_loses_its_place(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("one", session_label="a"))
    await gate.reached.wait()
    second = asyncio.create_task(house.turns.submit(command("two", session_label="b")))
    await waits(house)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    async with asyncio.timeout(10):
        while house.turns.waiting():
            await asyncio.sleep(0)
    gate.open.set()
    await first.result()
    assert (await house.ask("three", session_label="c")).text == "first second"
    assert [turn.prompt for turn in house.agents.turns] == ["one", "three"]


async def test_another_users_turn_cannot_be_cancelled(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command())
    with pytest.raises(errors.NotFound):
        await house.turns.cancel(
            handle.turn_id, event_examples.OTHER_USER, event_examples.by("user:usr_2")
        )
    gate.open.set()
    await handle.result()


async def test_another_users_workspace_or_session_is_not_found(house: House) -> None:
    result = await house.ask()
    other = Caller(user_id=event_examples.OTHER_USER, key_id="key_2", max_concurrency=3)
    with pytest.raises(errors.NotFound):
        await house.ask(caller=other, workspace=result.workspace_id)
    with pytest.raises(errors.NotFound):
        await house.ask(caller=other, session_label=result.session_id)


async def test_a_folder_that_is_no_workspace_is_denied(house: House) -> None:
    with pytest.raises(errors.WorkspaceAccessDenied):
        await house.ask(workspace_root="/etc")


async def test_the_folder_of_a_workspace_leads_to_it(house: House) -> None:
    result = await house.ask()
    folder = str(house.workspaces.folder(event_examples.USER, "default"))
    admin = Caller(user_id="usr_admin", key_id=None, max_concurrency=1, operator_id="op_1")
    again = await house.ask(caller=admin, workspace_root=folder)
    assert again.workspace_id == result.workspace_id
    assert again.session_id != result.session_id


async def test_a_session_that_is_not_kept_is_fresh_every_time(house: House) -> None:
    first = await house.ask("one", persistent=False)
    second = await house.ask("two", persistent=False)
    assert first.session_id != second.session_id
    assert second.thread == "new"


async def test_a_long_prompt_and_a_long_answer_are_kept_whole(house: House) -> None:
    async def says_much(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("ä" * 100_000))
        return Outcome(status="completed", backend_id="b")

    house.agents.script = says_much
    await house.ask("y" * 100_000, idempotency_key="k")
    again = await house.turns.submit(command("y" * 100_000, idempotency_key="k"))
    assert (await again.result()).text == "ä" * 100_000
    completed = await house.the(TurnCompleted)
    assert len(completed.answer.encode()) <= 4096


async def test_why_the_answer_ended_is_told_and_kept(house: House) -> None:
    async def is_cut(turn: AgentTurn, sink: FrameSink) -> Outcome:
        sink.frame(TextDelta("half"))
        return Outcome(status="completed", backend_id="b", finish_reason="length")

    house.agents.script = is_cut
    assert (await house.ask("hello", idempotency_key="k")).finish_reason == "length"
    again = await house.turns.submit(command("hello", idempotency_key="k"))
    assert (await again.result()).finish_reason == "length"
    assert (await house.the(TurnCompleted)).finish_reason == "length"


async def test_closing_ends_what_runs_and_admits_no_more(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command())
    await gate.reached.wait()
    await house.turns.close(0.0)
    with pytest.raises(errors.ShuttingDown):
        await handle.result()
    with pytest.raises(errors.ShuttingDown):
        await house.turns.submit(command("two"))
    assert (await house.the(TurnCancelled)).cause == "shutdown"


async def test_a_defect_in_an_adapter_still_ends_the_turn(house: House) -> None:
    async def broken(turn: AgentTurn, sink: FrameSink) -> Outcome:
        raise RuntimeError("a defect")

    house.agents.script = broken
    with pytest.raises(errors.AgentFailed):
        await house.ask()
    assert (await house.trail("workspace"))[-1] == "workspace.unlocked"
    house.agents.script = says_hello
    assert (await house.ask()).text == "hello"


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_a_caller_cancelled_while_it_is_admitted_leaves_no_turn_behind(
    house: House, steps: int
) -> None:
    gate = Gate()
    house.agents.script = gate
    caller = asyncio.create_task(house.turns.submit(command()))
    for _ in range(steps):
        await asyncio.sleep(0)
    caller.cancel()
    with suppress(asyncio.CancelledError):
        (await caller).abandon()
    house.agents.script = says_hello
    assert (await house.ask("next")).text == "hello"
    trail = await house.trail("session")
    begun, cancelled = trail.count("session.turn_requested"), trail.count("session.turn_cancelled")
    assert begun - cancelled == trail.count("session.turn_completed") == 1


async def test_a_workspace_that_cannot_be_looked_at_still_ends_the_turn(house: House) -> None:
    async def breaks(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.broken = True
        return await says_hello(turn, sink)

    house.agents.script = breaks
    result = await house.ask()
    assert result.partial == ("unreadable",)
    assert result.diff_truncated
    assert (await house.trail("workspace"))[-1] == "workspace.unlocked"


async def test_a_workspace_removed_under_the_agent_fails_the_turn_and_is_made_anew(
    house: House,
) -> None:
    async def removed(turn: AgentTurn, sink: FrameSink) -> Outcome:
        house.workspaces.missing = True
        return await says_hello(turn, sink)

    house.workspaces.files["a.txt"] = "one"
    house.agents.script = removed
    with pytest.raises(errors.AgentFailed, match="folder was removed") as raised:
        await house.ask()
    assert raised.value.cause == "workspace_gone"
    assert (await house.the(TurnFailed)).cause == "workspace_gone"
    assert (await house.trail("workspace"))[-1] == "workspace.unlocked"
    assert (await house.trail("lease"))[-1] == "lease.released"
    house.agents.script = says_hello
    result = await house.ask()
    assert (result.text, result.partial) == ("hello", ())


async def test_a_full_disk_delays_the_end_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command())
    await gate.reached.wait()
    await house.happened("session.backend_bound")
    queue, full = house.log.queue, errors.StorageFull("no room")

    def refuses(*_: object, **__: object) -> None:
        raise full

    monkeypatch.setattr(house.log, "queue", refuses)
    gate.open.set()
    with pytest.raises(errors.StorageFull):
        await handle.result()
    monkeypatch.setattr(house.log, "queue", queue)
    await house.happened("session.turn_completed")
    assert (await house.trail("lease"))[-1] == "lease.released"


async def test_a_request_that_another_writer_overtook_is_admitted_anew(house: House) -> None:
    first = await house.ask("one")
    stream = streams.session(first.session_id)
    foreign = SessionExpired(session_id=first.session_id)
    version = (await house.log.last(stream)).version
    await house.log.append([Append(stream, version, [foreign])], event_examples.CAUSE)
    second = await house.ask("two")
    assert second.text == "hello"
    assert [name for name in await house.trail("session") if name.startswith("session.turn")] == [
        *("session.turn_requested", "session.turn_started", "session.turn_completed"),
        *("session.turn_requested", "session.turn_started", "session.turn_completed"),
    ]
    assert (await house.trail("lease")).count("lease.taken") == 4


def full(groups: object) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


async def test_a_request_that_the_disk_does_not_take_does_not_wait_for_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(tmp_path, attrs.evolve(LIMITS, queue_timeout=3_600.0))
    gate = Gate()
    house.agents.script = gate
    running = await house.turns.submit(command("one", session_label="a"))
    await gate.reached.wait()
    await house.happened("session.backend_bound")
    with monkeypatch.context() as broken:
        broken.setattr(house.log._recorder, "insert_groups", full)
        with pytest.raises(errors.StorageFull):
            async with asyncio.timeout(10):
                await house.turns.submit(command("two", workspace="elsewhere"))
    assert list(house.turns.running._runs) == [running.turn_id]
    gate.open.set()
    assert (await running.result()).text == "first second"
    await close_house(house)


async def test_a_request_that_the_disk_does_not_take_never_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ask("one")
    before, insert = house.log.head(), house.log._recorder.insert_groups
    monkeypatch.setattr(house.log._recorder, "insert_groups", full)
    with pytest.raises(errors.StorageFull):
        await house.turns.submit(command("two"))
    assert len(house.agents.turns) == 1
    assert house.log.head() == before
    monkeypatch.setattr(house.log._recorder, "insert_groups", insert)
    monkeypatch.setattr(house.log._writer, "_trouble", None)
    assert (await house.ask("three")).text == "hello"


@attrs.define
class Held:
    """Stands before the log's disk: the start of a turn waits for `open`, then may be refused."""

    insert: Callable[[Sequence[Group]], list[Fate]]
    reached: threading.Event = attrs.field(factory=threading.Event)
    open: threading.Event = attrs.field(factory=threading.Event)
    refuses: bool = False

    def __call__(self, groups: Sequence[Group]) -> list[Fate]:
        if any(event.topic == TurnStarted.name for group in groups for event in group.events):
            self.reached.set()
            assert self.open.wait(10)
            if self.refuses:
                full(groups)
        return self.insert(groups)


@pytest.fixture
def held(house: House, monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held(house.log._recorder.insert_groups)
    monkeypatch.setattr(house.log._recorder, "insert_groups", held)
    return held


async def test_an_agent_gets_ready_but_hears_nothing_before_its_start_is_on_the_disk(
    house: House, held: Held
) -> None:
    turn = asyncio.create_task(house.ask("one"))
    await asyncio.to_thread(held.reached.wait, 10)
    await asyncio.sleep(0.05)
    assert [each.prompt for each in house.agents.ready] == ["one"]
    assert house.agents.turns == []
    held.open.set()
    assert (await turn).text == "hello"
    assert house.agents.turns == house.agents.ready


async def test_a_turn_cancelled_while_its_start_is_written_never_reaches_its_agent(
    house: House, held: Held
) -> None:
    submitting = asyncio.create_task(house.turns.submit(command("one")))
    await asyncio.to_thread(held.reached.wait, 10)
    await asyncio.sleep(0.05)
    (waiting,) = house.agents.ready
    await house.turns.cancel(waiting.turn_id, event_examples.USER, event_examples.by("user:usr_1"))
    held.open.set()
    with pytest.raises(errors.TaskCancelled):
        await (await submitting).result()
    assert (house.agents.turns, house.agents.cancelled) == ([], 1)
    assert "session.turn_started" in await house.trail("session")
    assert (await house.trail("lease")).count("lease.released") == 2


async def test_a_start_that_another_writer_overtook_is_decided_anew(house: House) -> None:
    await house.ask("one")
    slot = streams.lease("account", event_examples.ACCOUNT, 0)
    gone = event_examples.lease_taken(until=house.clock() - timedelta(seconds=1))
    version = (await house.log.last(slot)).version
    await house.log.append([Append(slot, version, [gone])], event_examples.CAUSE)
    assert (await house.ask("two")).text == "hello"
    assert [turn.prompt for turn in house.agents.ready] == ["one", "two", "two"]
    assert [turn.prompt for turn in house.agents.turns] == ["one", "two"]
    assert (await house.trail("session")).count("session.turn_started") == 2


async def never_to_start(house: House, held: Held) -> None:
    """A turn that waits for an account, and whose start the disk then does not take."""
    object.__setattr__(house.context, "limits", attrs.evolve(LIMITS, account_slots=1))
    gate = Gate()
    house.agents.script = gate
    held.open.set()
    first = await house.turns.submit(command("one", session_label="a"))
    await gate.reached.wait()
    elsewhere = command("two", session_label="b", workspace="elsewhere")
    second = await house.turns.submit(elsewhere)
    held.refuses = True
    gate.open.set()
    with pytest.raises(errors.StorageFull):
        await second.result()
    await first.result()
    held.refuses = False
    await house.happened("session.turn_failed")


async def test_a_start_that_the_disk_does_not_take_gives_back_what_it_had(
    house: House, held: Held
) -> None:
    await never_to_start(house, held)
    assert not house.context.slots._reserved
    assert [turn.prompt for turn in house.agents.turns] == ["one"]
    assert (await house.ask("three", session_label="b")).text == "first second"


async def test_an_agent_that_fails_before_it_may_begin_does_not_hide_a_full_disk(
    house: House, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeAgents.run

    async def is_missing(agents: FakeAgents, turn: AgentTurn, sink: FrameSink) -> Outcome:
        if turn.prompt == "two":
            raise errors.AgentFailed("there is no codex")
        return await run(agents, turn, sink)

    monkeypatch.setattr(FakeAgents, "run", is_missing)
    await never_to_start(house, held)
    assert (await house.the(TurnFailed)).code == "storage_full"
    assert (await house.trail("session")).count("session.turn_started") == 1


async def test_a_retry_of_another_request_joins_nothing(house: House) -> None:
    gate = Gate()
    house.agents.script = gate
    first = await house.turns.submit(command("x"))
    with pytest.raises(errors.SessionBusy):
        await house.turns.submit(command("y", retry=True))
    elsewhere = await house.turns.submit(command("x", retry=True, workspace="other"))
    assert elsewhere.turn_id != first.turn_id
    gate.open.set()
    await first.result()
    await elsewhere.result()


async def test_a_disk_that_fails_delays_the_end_and_leaves_no_session_busy(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "REOPEN_SECONDS", 0.3)
    gate = Gate()
    house.agents.script = gate
    handle = await house.turns.submit(command("one"))
    await gate.reached.wait()
    await house.happened("session.backend_bound")
    no_writes(tmp_path, ["events.db-wal"])
    gate.open.set()
    with pytest.raises(errors.StorageFailed):
        await handle.result()
    with pytest.raises(errors.StorageFailed):
        await house.ask("two")
    await house.happened("session.turn_completed")
    assert (await house.ask("three")).text == "first second"


async def test_a_log_that_stays_closed_refuses_turns_with_the_reason(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "REOPEN_SECONDS", 0.01)
    await house.ask("one")

    def damaged() -> None:
        raise errors.LogDamaged("page 7 is not a page")

    monkeypatch.setattr(house.log._writer, "_reopen", damaged)
    house.log._writer.suspect(sqlite3.OperationalError("disk I/O error"))
    async with asyncio.timeout(10):
        while "page 7" not in str(house.log.trouble()):
            await asyncio.sleep(0.01)
    with pytest.raises(errors.StorageFailed, match="page 7") as refused:
        await house.ask("two")
    assert not refused.value.retry_safe
