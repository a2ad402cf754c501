"""*Ended*: what a turn left behind, the release of everything it held, and how it ended."""

from datetime import datetime

import attrs

from codara.domain import lease, session, workspace
from codara.domain.decisions import Facts, States
from codara.domain.lending import AccountChange
from codara.domain.turns.lessons import learnt
from codara.events import streams
from codara.events.account import QuotaWindow
from codara.events.idempotency import IdempotencyFreed
from codara.events.session import TurnCancelled, TurnCompleted, TurnFailed
from codara.events.thread import Thread
from codara.events.workspace import DiffRecorded, Holder

TOO_LARGE = "too_large"
"""Why a recorded diff does not list what changed: the turn's end was too large for an event."""
_SHORT = 200
"""A reduced end keeps this many characters of each text."""


@attrs.frozen(kw_only=True)
class EndTurn:
    """What the decision needs that a turn has ended."""

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
    """The idempotency key's stream; freed if the turn did nothing that must not be repeated."""

    def streams(self) -> list[str]:
        """Returns the streams that the decision reads."""
        named = [streams.session(self.ended.session_id), streams.workspace(self.workspace_id)]
        if self.account_id and self.health:
            named.append(streams.account(self.account_id))
        if self.account_id and self.quota:
            named.append(streams.quota(self.account_id))
        if self.idempotency:
            named.append(self.idempotency)
        return [*named, *self.leases]


def decide(states: States, ask: EndTurn) -> Facts:
    """Decides *ended*: the diff, every release, and last how the turn ended, whatever that is.

    Empty if the session does not wait for this turn any more, because something ended it before.
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
            *workspace.unlock(states[place], holder=Holder(kind="turn", id=turn_id)),
        ],
    }
    for held in ask.leases:
        facts[held] = lease.release(states[held], turn_id=turn_id)
    if ask.idempotency and states[ask.idempotency].turn_id == turn_id:
        facts[ask.idempotency] = [IdempotencyFreed(turn_id=turn_id)]
    lessons = learnt(
        states,
        ask.account_id,
        health=ask.health,
        quota=ask.quota,
        source=ask.quota_source,
        now=ask.now,
    )
    return facts | lessons | {stream: [ask.ended]}


def reduced(ask: EndTurn) -> EndTurn:
    """Returns the same end without anything long, for an end that is too large for an event.

    What is in payloads stays. The list of files and the patch are left out, and `partial` says so.
    """
    end = ask.ended.end
    usage = attrs.evolve(end.usage, raw={}) if end.usage else None
    ended = attrs.evolve(
        ask.ended,
        end=attrs.evolve(end, thread=_short(end.thread), usage=usage, timings={}),
        answer=ask.ended.answer[:_SHORT],
    )
    if isinstance(ended, TurnFailed):
        ended = attrs.evolve(
            ended,
            cause=ended.cause[:_SHORT],
            message=ended.message[:_SHORT],
            detail=ended.detail[:_SHORT],
        )
    diff, health = ask.diff, ask.health
    if diff:
        diff = attrs.evolve(diff, files=(), patch="", truncated=True, partial=(TOO_LARGE,))
    if health:
        health = attrs.evolve(health, cause=health.cause[:_SHORT], evidence="")
    return attrs.evolve(ask, ended=ended, diff=diff, health=health, quota=())


def _short(thread: Thread) -> Thread:
    """Drops a thread whose id is too long: nothing could go on with such a thread."""
    return thread if len(thread.backend_id or "") <= _SHORT else Thread()


def heard(thread: Thread, backend_id: str | None) -> Thread:
    """Returns the thread with the agent's own id of it."""
    return attrs.evolve(thread, backend_id=backend_id or thread.backend_id)
