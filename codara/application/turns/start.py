"""Start: the baseline, an account, the locks; then *started* is appended."""

import asyncio
from datetime import timedelta
from functools import partial

from codara.application.ports import AccountStanding
from codara.application.turns.commands import Started
from codara.application.turns.live import Run, Running
from codara.application.turns.means import Means
from codara.application.turns.queue import Queue
from codara.domain import turn
from codara.errors import NoFreeAccount
from codara.events import streams
from codara.events.session import TurnStarted

_ACCOUNTS_TRIED = 16


async def start(means: Means, run: Run, queue: Queue, until: float) -> None:
    """Appends *started*, waiting for a free account until `until` (the event loop's time).

    Raises what stands in the way, Stopped if the turn was cancelled; nothing is held then.
    """
    asked = run.asked
    since = asyncio.get_running_loop().time()
    baseline = await means.workspaces.snapshot(asked.workspace_id, asked.folder)
    while True:
        try:
            position, started = await _append(means, run, baseline.tree)
            break
        except NoFreeAccount:
            if not await run.interruptible(queue.something_returns(until)):
                raise
    for lease in started.leases:
        means.slots.take(lease)
    run.running = Running.of(started, position, baseline.partial)
    run.mark("start", since)
    run.start(Started(position=position, thread=asked.thread_kind))


async def _append(means: Means, run: Run, baseline: str) -> tuple[int, TurnStarted]:
    ask = await _ask(means, run, baseline)
    decided = await means.deciding.decide(ask.streams(), partial(turn.start, ask=ask), run.cause)
    open_turn = decided.states[streams.session(run.asked.session_id)].turn
    return decided.position or 0, open_turn.started


async def _ask(means: Means, run: Run, baseline: str) -> turn.Start:
    asked, command, limits = run.asked, run.command, means.limits
    now = means.clock()
    patience = limits.patience[command.provider]
    standings = await means.standings.of_provider(command.provider)
    user = streams.lease("user", command.caller.user_id, 0).rpartition("/")[0]
    return turn.Start(
        turn_id=asked.turn_id,
        session_id=asked.session_id,
        workspace_id=asked.workspace_id,
        user_id=command.caller.user_id,
        provider=command.provider,
        thread=asked.thread_kind,
        baseline=baseline,
        jailed=means.jailed,
        now=now,
        until=now + timedelta(seconds=patience.turn_timeout),
        floor=limits.primary_floor,
        user_slots=means.slots.likely_free(user, command.caller.max_concurrency),
        accounts=tuple(_borrowable(means, each) for each in standings[:_ACCOUNTS_TRIED]),
    )


def _borrowable(means: Means, standing: AccountStanding) -> turn.Borrowable:
    owner = streams.lease("account", standing.account_id, 0).rpartition("/")[0]
    return turn.Borrowable(
        account_id=standing.account_id,
        headroom=standing.headroom,
        last_used_at=standing.last_used_at,
        primary=standing.primary,
        slots=means.slots.likely_free(owner, means.limits.account_slots),
    )
