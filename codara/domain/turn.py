"""The three appends of a turn: requested, started, ended; each decided over several streams."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from codara.domain import account, idempotency, lease, lending, name, routing, session, workspace
from codara.domain.lending import AccountChange, Borrowable
from codara.errors import ConcurrencyLimit, Conflict, VersionClash
from codara.events import streams
from codara.events.account import QuotaObserved, QuotaWindow
from codara.events.base import Event
from codara.events.idempotency import IdempotencyClaimed, IdempotencyFreed
from codara.events.request import RequestAccepted
from codara.events.session import (
    BackendBound,
    HistoryDiverged,
    SessionOpened,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
    Waited,
)
from codara.events.thread import Thread
from codara.events.workspace import DiffRecorded

States = Mapping[str, Any]
Facts = dict[str, list[Event]]

TOO_LARGE = "too_large"
"""Why a diff that was recorded does not say what changed."""
_SHORT = 200
"""Characters that are left of a text in an end that had to be reduced."""


@attrs.frozen(kw_only=True)
class Request:
    """What is needed to decide that a turn may wait for its start."""

    requested: TurnRequested
    accepted: RequestAccepted
    opened: SessionOpened
    session_name: str | None
    """The name stream of the session's label; None for a session that is not kept."""
    based_on: session.Session
    """The session that `requested` was worked out from."""
    may_wait: bool = True
    """Whether the session was named: one that was found is left to whoever was faster."""
    body_digest: str
    diverged: HistoryDiverged | None


def request(states: States, ask: Request) -> Facts:
    """*Requested*: the session is free, the idempotency key is new.

    SessionBusy while another turn of a named session runs. VersionClash if the session is no longer
    what the prompt was worked out from (one that was found then is looked for again), or another
    turn has taken its name or the idempotency key meanwhile.
    """
    wanted = ask.requested
    stream = streams.session(wanted.session_id)
    current: session.Session = states[stream]
    if ask.may_wait:
        session.refuse_if_busy(current)
    if current != ask.based_on:
        raise VersionClash(stream)
    facts: Facts = {
        stream: [] if current.exists else [ask.opened],
        streams.request(wanted.request_id): [ask.accepted],
    }
    if ask.diverged:
        facts[stream].append(ask.diverged)
    facts[stream].append(wanted)
    if ask.session_name:
        facts[ask.session_name] = _name(states[ask.session_name], ask)
    if wanted.idempotency:
        facts[wanted.idempotency] = _claim(states[wanted.idempotency], wanted, ask)
    return facts


def _name(state: name.Name, ask: Request) -> list[Event]:
    session_id = ask.requested.session_id
    if state.owner not in (None, session_id):
        raise VersionClash(ask.session_name or "")
    return name.claim(state, kind="session", owner=session_id, taken="")


def _claim(state: idempotency.Idempotency, wanted: TurnRequested, ask: Request) -> list[Event]:
    if idempotency.earlier_turn(state, ask.body_digest) is not None:
        raise VersionClash(wanted.idempotency or "")
    return [
        IdempotencyClaimed(
            request_id=wanted.request_id,
            turn_id=wanted.turn_id,
            session_id=wanted.session_id,
            body_digest=ask.body_digest,
        )
    ]


@attrs.frozen(kw_only=True)
class Start:
    """What is needed to decide that a turn runs now."""

    turn_id: str
    session_id: str
    workspace_id: str
    user_id: str
    provider: str
    thread: str
    baseline: str
    jailed: bool
    now: datetime
    until: datetime
    floor: float
    user_lease: str | None
    accounts: tuple[Borrowable, ...]
    waited: Waited | None = None

    def streams(self) -> list[str]:
        """Everything the decision reads."""
        return [
            streams.session(self.session_id),
            streams.workspace(self.workspace_id),
            *(streams.account(each.account_id) for each in self.accounts),
            *filter(None, [self.user_lease, *(each.lease for each in self.accounts)]),
        ]


def start(states: States, ask: Start) -> Facts:
    """*Started*: the workspace's lock, a slot of the user, an account and a slot of it.

    Raises whatever stands in the way: WorkspaceBusy, ConcurrencyLimit, NoAccount,
    AllAccountsCooling, NoFreeAccount; Conflict if the session does not wait for this turn.
    """
    waiting: session.Session = states[streams.session(ask.session_id)]
    if waiting.turn is None or waiting.turn.turn_id != ask.turn_id:
        raise Conflict("The session does not wait for this task. Try again.")
    user_lease = lending.free(states, ask.user_lease, ask.now)
    if user_lease is None:
        raise ConcurrencyLimit(
            "You run as many tasks at once as you may. Wait for one to end or cancel it.",
            retry_after=1.0,
        )
    offers = [lending.offer(states, each, ask.now) for each in ask.accounts]
    chosen, choice = routing.choose(offers, floor=ask.floor, provider=ask.provider, now=ask.now)
    account_lease = chosen.lease or ""
    started = TurnStarted(
        session_id=ask.session_id,
        turn_id=ask.turn_id,
        user_id=ask.user_id,
        thread=ask.thread,
        baseline=ask.baseline,
        account_chosen=choice,
        leases=(user_lease, account_lease),
        until=ask.until,
        jailed=ask.jailed,
        waited=ask.waited,
    )
    workspace_stream = streams.workspace(ask.workspace_id)
    return {
        streams.session(ask.session_id): [started],
        workspace_stream: workspace.lock(
            states[workspace_stream],
            turn_id=ask.turn_id,
            session_id=ask.session_id,
            now=ask.now,
            until=ask.until,
        ),
        user_lease: [lending.taken(user_lease, turn_id=ask.turn_id, until=ask.until)],
        account_lease: [lending.taken(account_lease, turn_id=ask.turn_id, until=ask.until)],
    }


def bind(states: States, bound: BackendBound) -> Facts:
    """*Bound*: the agent's thread has an id; nothing if the turn is no longer the session's."""
    stream = streams.session(bound.session_id)
    current: session.Session = states[stream]
    if current.turn is None or current.turn.turn_id != bound.turn_id:
        return {}
    return {stream: [bound]}


@attrs.frozen(kw_only=True)
class End:
    """What is needed to decide that a turn has ended."""

    ended: TurnCompleted | TurnFailed | TurnCancelled
    workspace_id: str
    diff: DiffRecorded | None = None
    leases: tuple[str, ...] = ()
    now: datetime
    account_id: str | None = None
    health: AccountChange | None = None
    quota: tuple[QuotaWindow, ...] = ()
    quota_source: str = ""
    idempotency: str | None = None
    """Freed when the turn did nothing that a repetition would do twice."""

    def streams(self) -> list[str]:
        """Everything the decision reads."""
        named = [streams.session(self.ended.session_id), streams.workspace(self.workspace_id)]
        if self.account_id and self.health:
            named.append(streams.account(self.account_id))
        if self.account_id and self.quota:
            named.append(streams.quota(self.account_id))
        if self.idempotency:
            named.append(self.idempotency)
        return [*named, *self.leases]


def end(states: States, ask: End) -> Facts:
    """*Ended*: diff, every release, and last of all how the turn ended, whatever the outcome.

    Nothing at all if the session no longer waits for this turn: somebody ended it already.
    """
    stream = streams.session(ask.ended.session_id)
    current: session.Session = states[stream]
    turn_id = ask.ended.turn_id
    if current.turn is None or current.turn.turn_id != turn_id:
        return {}
    place = streams.workspace(ask.workspace_id)
    facts: Facts = {
        place: [
            *([ask.diff] if ask.diff else []),
            *workspace.unlock(states[place], turn_id=turn_id),
        ],
    }
    for held in ask.leases:
        facts[held] = lease.release(states[held], turn_id=turn_id)
    if ask.idempotency and states[ask.idempotency].turn_id == turn_id:
        facts[ask.idempotency] = [IdempotencyFreed(turn_id=turn_id)]
    return facts | _lessons(states, ask) | {stream: [ask.ended]}


def reduced(ask: End) -> End:
    """The same end with nothing in it that could be long, for one that is too large for an event.

    What payloads hold stays there. The list of files and the patch are left out, and said to be.
    """
    end = ask.ended.end
    usage = attrs.evolve(end.usage, raw={}) if end.usage else None
    ended = attrs.evolve(
        ask.ended,
        end=attrs.evolve(end, thread=_short(end.thread), usage=usage, timings={}),
        answer=ask.ended.answer[:_SHORT],
    )
    if isinstance(ended, TurnFailed):
        ended = attrs.evolve(ended, cause=ended.cause[:_SHORT], message=ended.message[:_SHORT])
    diff, health = ask.diff, ask.health
    if diff:
        diff = attrs.evolve(diff, files=(), patch="", truncated=True, partial=(TOO_LARGE,))
    if health:
        health = attrs.evolve(health, cause=health.cause[:_SHORT], evidence="")
    return attrs.evolve(ask, ended=ended, diff=diff, health=health, quota=())


def _short(thread: Thread) -> Thread:
    """An id of no bounds belongs to no thread that anybody could go on with."""
    return thread if len(thread.backend_id or "") <= _SHORT else Thread()


def _lessons(states: States, ask: End) -> Facts:
    facts: Facts = {}
    if ask.account_id and ask.health:
        stream = streams.account(ask.account_id)
        facts[stream] = account.change(
            states[stream],
            after=ask.health.after,
            cause=ask.health.cause,
            until=ask.health.until,
            evidence=ask.health.evidence,
            now=ask.now,
        )
    if ask.account_id and ask.quota:
        facts[streams.quota(ask.account_id)] = [
            QuotaObserved(account_id=ask.account_id, source=ask.quota_source, windows=ask.quota)
        ]
    return facts


def heard(thread: Thread, backend_id: str | None) -> Thread:
    """The thread with the agent's own id of it."""
    return attrs.evolve(thread, backend_id=backend_id or thread.backend_id)
