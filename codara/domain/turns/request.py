"""*Requested*: a turn may wait for its start."""

import attrs

from codara.domain import idempotency, name, session
from codara.domain.decisions import Facts, States
from codara.errors import VersionClash
from codara.events import streams
from codara.events.base import Event
from codara.events.idempotency import IdempotencyClaimed
from codara.events.request import RequestAccepted
from codara.events.session import HistoryDiverged, SessionOpened, TurnRequested


@attrs.frozen(kw_only=True)
class RequestTurn:
    """What the decision needs that a turn may wait for its start."""

    requested: TurnRequested
    accepted: RequestAccepted
    opened: SessionOpened
    session_name: str | None
    """The name stream of the session's label; None if the session is not kept."""
    based_on: session.Session
    """The session's state from which `requested` was worked out."""
    may_wait: bool = True
    """Whether the session was named; one that was found belongs to the request that was faster."""
    body_digest: str
    diverged: HistoryDiverged | None


def decide(states: States, ask: RequestTurn) -> Facts:
    """Decides *requested*: the session is free, and the idempotency key is new.

    SessionBusy while another turn of a named session runs. VersionClash if the session has changed
    since the prompt was worked out (a session that was found is then looked for again), or if
    another turn has taken the session's name or the idempotency key meanwhile.
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


def _name(state: name.Name, ask: RequestTurn) -> list[Event]:
    session_id = ask.requested.session_id
    if state.owner not in (None, session_id):
        raise VersionClash(ask.session_name or "")
    return name.claim(state, kind="session", owner=session_id, taken="")


def _claim(state: idempotency.Idempotency, wanted: TurnRequested, ask: RequestTurn) -> list[Event]:
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
