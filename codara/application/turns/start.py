"""Start: the baseline, an account, the locks; then *started* is appended."""

import time
from datetime import timedelta
from functools import partial

from codara.application.ports.workspaces import MISSING, Snapshot
from codara.application.turns.commands import Started
from codara.application.turns.lending import Reservation, borrowables
from codara.application.turns.live import Run, Running
from codara.application.turns.means import Means
from codara.application.turns.queue import Queue
from codara.domain import turn
from codara.errors import AllAccountsCooling, NoAccount, NoFreeAccount
from codara.events import streams
from codara.events.session import TurnStarted

_SECONDS_TO_CATCH_UP = 1.0


async def start(means: Means, run: Run, queue: Queue, until: float) -> None:
    """Appends *started*, waiting for a free account until `until` (the event loop's time).

    Raises what stands in the way, Stopped if the turn was cancelled; nothing is held then.
    """
    asked = run.asked
    since = time.monotonic()
    baseline = await _baseline(means, run)
    while True:
        try:
            position, started = await _started(means, run, baseline.tree)
            break
        except NoFreeAccount:
            if not await run.interruptible(queue.something_returns(until)):
                raise
    run.running = Running.of(started, position, baseline.partial)
    run.mark("start", since)
    run.start(Started(position=position, thread=asked.thread_kind))


async def _baseline(means: Means, run: Run) -> Snapshot:
    """The workspace before the turn; a folder that somebody removed is made anew."""
    place, folder = run.asked.workspace_id, run.asked.folder
    found = await means.workspaces.snapshot(place, folder)
    if MISSING not in found.partial:
        return found
    await means.workspaces.provision(place, folder)
    return await means.workspaces.snapshot(place, folder)


async def _started(means: Means, run: Run, baseline: str) -> tuple[int, TurnStarted]:
    """Nothing is refused on the word of a read model that is behind the log."""
    head = means.log.head()
    try:
        return await _append(means, run, baseline)
    except (NoAccount, AllAccountsCooling):
        if means.feed.position() >= head:
            raise
    await means.feed.wait_for(head, _SECONDS_TO_CATCH_UP)
    return await _append(means, run, baseline)


async def _append(means: Means, run: Run, baseline: str) -> tuple[int, TurnStarted]:
    with Reservation(means.slots) as reservation:
        ask = await _ask(means, run, baseline, reservation)
        decision = partial(turn.start, ask=ask)
        decided = await means.deciding.decide(ask.streams(), decision, run.cause)
        started: TurnStarted = decided.states[streams.session(run.asked.session_id)].turn.started
        reservation.keep(started.leases)
        return decided.position or 0, started


async def _ask(means: Means, run: Run, baseline: str, reservation: Reservation) -> turn.Start:
    asked, command, limits = run.asked, run.command, means.limits
    now = means.clock()
    patience = limits.patience[command.provider]
    user_id, cap = command.caller.user_id, command.caller.max_concurrency
    return turn.Start(
        turn_id=asked.turn_id,
        session_id=asked.session_id,
        workspace_id=asked.workspace_id,
        user_id=user_id,
        provider=command.provider,
        thread=asked.thread_kind,
        baseline=baseline,
        jailed=means.jailed,
        now=now,
        until=now + timedelta(seconds=patience.turn_timeout),
        floor=limits.primary_floor,
        user_lease=reservation.slot("user", user_id, cap),
        accounts=await borrowables(means, command.provider, reservation),
    )
