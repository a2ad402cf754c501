"""What the gateway really writes, from version 1 on, is an order that can have happened."""

import asyncio
from pathlib import Path

import attrs
import pytest
from old_gateway import versions_in, write_as_of_old

from codara import errors
from codara.application.deadlines import Deadlines
from codara.application.jails import JailRecords
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, TextDelta
from codara.application.recovery import Recovery
from codara.application.sessions import Sessions
from codara.application.turns.commands import Message
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.events import streams
from codara.projections.views import Views
from tests import event_examples
from tests.fakes.agents import Script, says_hello
from tests.fakes.spool import FakeSpool
from tests.fakes.standings import standing
from tests.fakes.sweeper import FakeSweeper
from tests.log_checks import folds_strictly
from tests.turn_setup import LIMITS, House, close_house, command, open_house

OTHER = "acc_2"
OF_SESSIONS = {
    "session.opened",
    "session.turn_requested",
    "session.turn_started",
    "session.backend_bound",
    "session.account_changed",
    "session.turn_retried",
    "session.history_diverged",
    "session.turn_completed",
    "session.turn_failed",
    "session.turn_cancelled",
    "session.reset",
    "session.expired",
}
OF_TURNS = OF_SESSIONS | {
    "workspace.provisioned",
    "workspace.locked",
    "workspace.diff_recorded",
    "workspace.unlocked",
    "lease.taken",
    "lease.released",
    "idempotency.claimed",
    "idempotency.freed",
    "account.health_changed",
    "request.accepted",
    "request.answered",
    "jail.started",
    "jail.killed",
    "gateway.recovered",
}


async def never_ends(turn: AgentTurn, sink: FrameSink) -> Outcome:
    sink.frame(BackendSeen("backend-1"))
    sink.raw(b"{}")
    sink.frame(TextDelta("half"))
    await asyncio.Event().wait()
    raise AssertionError("never")


def fails_first(cause: str) -> Script:
    """An agent that fails, and says hello when it is asked again."""
    failures = iter([cause])

    async def script(turn: AgentTurn, sink: FrameSink) -> Outcome:
        failed = next(failures, None)
        if failed is None:
            return await says_hello(turn, sink)
        return Outcome(status="failed", cause=failed)

    return script


async def lives_and_dies(folder: Path, spool: FakeSpool) -> None:
    """A gateway of old: one turn completed, one failed, one is in the middle when it dies."""
    house = await open_house(folder, spool=spool)
    write_as_of_old(house.log)
    await house.ask("one", session_label="done")
    house.agents.script = fails_first("cut_stream")
    with pytest.raises(errors.AgentFailed):
        await house.ask("two", session_label="broken")
    house.agents.script = never_ends
    handle = await house.turns.submit(command("three", session_label="open"))
    async for frame in handle.frames():
        if isinstance(frame, TextDelta):
            break
    await house.happened("session.backend_bound")
    await _jails(house).started(
        jail_id=event_examples.JAIL,
        workspace_id=handle.workspace_id,
        runtime="codex",
        inner_pid=1,
        start_time=1,
        boot_id="b",
        policy="p",
        limits=(),
        jailed=True,
    )
    carriers = list(house.turns.running._carriers)
    for carrier in carriers:
        carrier.cancel()
    await asyncio.gather(*carriers, return_exceptions=True)
    await house.log.close()


def _jails(house: House) -> JailRecords:
    return JailRecords(deciding=house.context.deciding, cause=event_examples.CAUSE)


async def goes_on(house: House) -> None:
    """What can become of turns today, each in its way."""
    for label in ("done", "broken", "open"):
        await house.ask("and then?", session_label=label)
    other = [
        event_examples.account_registered(account_id=OTHER),
        event_examples.credential_stored(account_id=OTHER),
    ]
    await house.context.deciding.decide(
        [streams.account(OTHER)], lambda _: {streams.account(OTHER): other}, event_examples.CAUSE
    )
    house.standings.accounts.append(standing(OTHER))
    for cause in ("crashed", "rate_limited"):
        house.agents.script = fails_first(cause)
        await house.ask(cause, session_label=cause)
    diverged = (Message("user", "uno"), Message("assistant", "hi"), Message("user", "dos"))
    await house.ask(session_label="done", messages=diverged)
    await is_cancelled(house)
    await is_repeated(house)


async def is_cancelled(house: House) -> None:
    """Once in the middle, and once while it waits for an account."""
    house.agents.script = never_ends
    working = await house.turns.submit(command("four"))
    await house.turns.cancel(working.turn_id, None, event_examples.by("operator:op_1"))
    with pytest.raises(errors.TaskCancelled):
        await working.result()
    house.agents.script = says_hello
    limits, slots = house.context.limits, house.context.slots
    reserved = [slots.reserve("account", each, 1) for each in (event_examples.ACCOUNT, OTHER)]
    object.__setattr__(house.context, "limits", attrs.evolve(limits, account_slots=1))
    waiting = await house.turns.submit(command("five", session_label="waits"))
    await asyncio.sleep(0)
    await house.turns.cancel(waiting.turn_id, None, event_examples.by("operator:op_1"))
    with pytest.raises(errors.TaskCancelled):
        await waiting.result()
    own = await house.log.load(streams.session(waiting.session_id))
    assert [each.event.name for each in own] == [
        "session.opened",
        "session.turn_requested",
        "session.turn_cancelled",
    ]
    object.__setattr__(house.context, "limits", limits)
    for lease in filter(None, reserved):
        slots.give(lease)


async def is_repeated(house: House) -> None:
    """One key: a turn that did nothing, another one, and its answer again."""
    house.agents.script = fails_first("no_process")
    with pytest.raises(errors.CodaraError):
        await house.ask("six", idempotency_key="k")
    house.agents.script = says_hello
    for _ in range(2):
        await house.ask("six", idempotency_key="k")


async def ends_by_itself(house: House, views: Views) -> None:
    """One session is reset, all others expire, and the next turn begins afresh in one of them."""
    done = await house.ask("seven", session_label="done")
    sessions = Sessions(deciding=house.context.deciding, finder=house.context.finder)
    await sessions.reset(done.session_id, event_examples.USER, event_examples.CAUSE)
    await views.wait_for(house.log.head(), 10)
    house.clock.move(hours=25)
    deadlines = Deadlines(
        deciding=house.context.deciding,
        expiring=views.sessions,
        clock=house.clock,
        cause=event_examples.CAUSE,
    )
    assert await deadlines.pass_over()
    await house.ask("eight", session_label="open")


async def test_every_stream_of_turns_old_and_new_lost_and_found_folds_strictly(
    tmp_path: Path,
) -> None:
    spool = FakeSpool()
    await lives_and_dies(tmp_path, spool)
    assert {version for _, version in versions_in(tmp_path / "events.db")} == {1}
    house = await open_house(tmp_path, LIMITS, spool=spool)
    views = await Views.open(tmp_path / "views", house.log, clock=house.clock)
    await views.start()
    finder = Finder(views.points, views, house.clock)
    house.context = attrs.evolve(house.context, finder=finder, feed=views)
    house.turns = Turns(house.context, house.turns._workspaces)
    recovery = Recovery(
        context=house.context,
        unfinished=views.unfinished,
        sweeper=FakeSweeper(),
        gateway_id="gtw_2",
    )
    await recovery.run()
    await goes_on(house)
    await ends_by_itself(house, views)
    assert await folds_strictly(house.log, house.context.deciding) >= OF_TURNS
    await views.close()
    await close_house(house)
