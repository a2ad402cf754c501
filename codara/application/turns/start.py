"""Start: the baseline, an account, the locks; then *started* is appended."""

import asyncio
from datetime import timedelta
from functools import partial

from codara.application.ports.views import AccountStanding
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
    run.running = Running.of(started, position, baseline.partial)
    run.mark("start", since)
    run.start(Started(position=position, thread=asked.thread_kind))


async def _append(means: Means, run: Run, baseline: str) -> tuple[int, TurnStarted]:
    reserved: list[str] = []
    kept: tuple[str, ...] = ()
    try:
        ask = await _ask(means, run, baseline, reserved)
        decision = partial(turn.start, ask=ask)
        decided = await means.deciding.decide(ask.streams(), decision, run.cause)
        started = decided.states[streams.session(run.asked.session_id)].turn.started
        kept = started.leases
        return decided.position or 0, started
    finally:
        for stream in reserved:
            if stream not in kept:
                means.slots.give(stream)


async def _ask(means: Means, run: Run, baseline: str, reserved: list[str]) -> turn.Start:
    asked, command, limits = run.asked, run.command, means.limits
    now = means.clock()
    patience = limits.patience[command.provider]
    standings = await means.standings.of_provider(command.provider)
    user_id, cap = command.caller.user_id, command.caller.max_concurrency

    def slot(kind: str, owner: str, cap: int) -> str | None:
        stream = means.slots.reserve(kind, owner, cap)
        reserved.extend([stream] if stream else [])
        return stream

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
        user_lease=slot("user", user_id, cap),
        accounts=tuple(
            _borrowable(each, slot("account", each.account_id, limits.account_slots))
            for each in standings[:_ACCOUNTS_TRIED]
        ),
    )


def _borrowable(standing: AccountStanding, lease: str | None) -> turn.Borrowable:
    return turn.Borrowable(
        account_id=standing.account_id,
        headroom=standing.headroom,
        last_used_at=standing.last_used_at,
        primary=standing.primary,
        lease=lease,
    )
