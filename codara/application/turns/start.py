"""Start: the baseline, an account, the locks; then *started* is on its way to the disk."""

import asyncio
import time
from datetime import timedelta
from functools import partial

from codara.application.ports.workspaces import MISSING, Snapshot
from codara.application.turns.context import Context
from codara.application.turns.lending import SECONDS_TO_CATCH_UP, Reservation, lendable
from codara.application.turns.places import ASIDES
from codara.application.turns.run import Run, RunningState
from codara.application.turns.waiting import Line
from codara.domain.turns import start as starting
from codara.errors import AccountRefused, AllAccountsCooling, NoAccount, NoFreeAccount
from codara.events import streams
from codara.events.session import TurnStarted


async def start(context: Context, run: Run, line: Line, until: float) -> None:
    """Queues *started*, waiting for a free account until `until` (the event loop's time).

    `Run.permitted` tells when it is on the disk. Raises what stands in the way, Stopped if the turn
    was cancelled; nothing is held then.
    """
    since = time.monotonic()
    baseline = await run.interruptible(_baseline(context, run))
    while True:
        try:
            started, durable = await _started(context, run, baseline.tree)
            break
        except NoFreeAccount:
            if not await run.interruptible(line.something_returns(until)):
                raise
    run.begin(RunningState.of(started, baseline.partial), durable, since)


async def _baseline(context: Context, run: Run) -> Snapshot:
    """The workspace before the turn; a folder that somebody removed is made again."""
    place, folder = run.asked.workspace_id, run.asked.folder
    found = await context.workspaces.snapshot(place, folder)
    if MISSING not in found.partial:
        return found
    await context.workspaces.provision(place, folder)
    return await context.workspaces.snapshot(place, folder)


async def _started(
    context: Context, run: Run, baseline: str
) -> tuple[TurnStarted, asyncio.Future[int]]:
    """Nothing is refused on the word of a read model that is behind the log."""
    head = context.log.head()
    is_behind = context.feed.position() < head
    try:
        return await _proposed(context, run, baseline)
    except (NoAccount, AccountRefused, AllAccountsCooling):
        if not is_behind:
            raise
    await context.feed.wait_for(head, SECONDS_TO_CATCH_UP)
    return await _proposed(context, run, baseline)


async def _proposed(
    context: Context, run: Run, baseline: str
) -> tuple[TurnStarted, asyncio.Future[int]]:
    with Reservation(context.slots) as reservation:
        ask = await _ask(context, run, baseline, reservation)
        decision = partial(starting.decide, ask=ask)
        proposed = await context.deciding.propose(ask.streams(), decision, run.cause)
        if proposed.durable is None:
            raise RuntimeError("a start is a fact")
        started: TurnStarted = proposed.states[streams.session(run.asked.session_id)].turn.started
        reservation.keep(started.leases)
        return started, proposed.durable


async def _ask(
    context: Context, run: Run, baseline: str, reservation: Reservation
) -> starting.StartTurn:
    asked, command, limits = run.asked, run.command, context.limits
    now = context.clock()
    patience = limits.patience[command.provider]
    pool = await lendable(context, command.provider, reservation)
    user_id, cap = command.caller.user_id, command.caller.max_concurrency
    return starting.StartTurn(
        turn_id=asked.turn_id,
        session_id=asked.session_id,
        workspace_id=asked.workspace_id,
        user_id=user_id,
        provider=command.provider,
        thread=asked.seat.kind,
        baseline=baseline,
        jailed=context.jailed,
        now=now,
        until=now + timedelta(seconds=patience.turn_timeout),
        floor=limits.primary_floor,
        user_lease=(
            reservation.slot("aside", user_id, ASIDES)
            if command.aside
            else reservation.slot("user", user_id, cap)
        ),
        accounts=pool.accounts,
        others=pool.others,
        waited=run.waited,
    )
