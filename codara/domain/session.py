"""A session: what may be asked of one conversation, and what remains of each turn in it."""

from datetime import datetime

import attrs

from codara.errors import NotFound, SessionBusy
from codara.events.base import Event
from codara.events.loss import SessionSetBack
from codara.events.session import (
    AccountChanged,
    BackendBound,
    SessionExpired,
    SessionOpened,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnStarted,
)
from codara.events.thread import Elsewhere, Thread
from codara.events.vocabulary import SessionOrigin

CLOSING = frozenset({TurnRequested.name})
"""Events that carry the whole standing: nothing older than the last of them needs folding."""


@attrs.frozen(kw_only=True)
class OpenTurn:
    """The turn that has not ended yet."""

    turn_id: str
    workspace_id: str
    heard: Thread
    idempotency: str | None
    started: TurnStarted | None = None


@attrs.frozen(kw_only=True)
class Session:
    session_id: str = ""
    user_id: str = ""
    workspace_id: str = ""
    provider: str = ""
    origin: SessionOrigin = "named"
    caller: str = ""
    chat: str = ""
    system: str = ""
    thread: Thread = attrs.field(factory=Thread)
    elsewhere: tuple[Elsewhere, ...] = ()
    dirty: bool = False
    kept: bool = True
    expires_at: datetime | None = None
    turn: OpenTurn | None = None

    @property
    def exists(self) -> bool:
        return bool(self.session_id)


EMPTY = Session()


def evolve(state: Session, event: Event) -> Session:
    """Returns the state after one more event."""
    match event:
        case SessionOpened():
            return Session(
                session_id=event.session_id,
                user_id=event.user_id,
                workspace_id=event.workspace_id,
                provider=event.provider,
                origin=event.origin,
                caller=event.caller,
            )
        case TurnRequested():
            return _requested(event)
        case TurnStarted() if state.turn:
            return attrs.evolve(state, turn=attrs.evolve(state.turn, started=event))
        case BackendBound() if state.turn:
            told = event.heard or state.turn.heard
            heard = attrs.evolve(told, backend_id=event.backend_id)
            return attrs.evolve(state, turn=attrs.evolve(state.turn, heard=heard))
        case AccountChanged() if state.turn and state.turn.started:
            started = attrs.evolve(
                state.turn.started, account_chosen=event.account_chosen, leases=event.leases
            )
            return attrs.evolve(state, turn=attrs.evolve(state.turn, started=started))
        case TurnCompleted():
            return _ended(state, event, dirty=False)
        case TurnFailed() | TurnCancelled():
            return _ended(state, event, dirty=state.dirty or _had_started(state))
        case SessionReset():
            return attrs.evolve(state, thread=Thread(), elsewhere=(), dirty=False, expires_at=None)
        case SessionExpired():
            return attrs.evolve(state, thread=Thread(), elsewhere=(), expires_at=None)
        case SessionSetBack():
            return attrs.evolve(state, thread=_forgotten(state.thread), elsewhere=(), dirty=True)
        case _:
            return state


def _forgotten(thread: Thread) -> Thread:
    """The point stays, so that the session is found; nobody goes on with the agent's own thread."""
    return attrs.evolve(thread, backend_id=None, mark=None)


def _requested(event: TurnRequested) -> Session:
    turn = OpenTurn(
        turn_id=event.turn_id,
        workspace_id=event.workspace_id,
        heard=event.heard,
        idempotency=event.idempotency,
    )
    return Session(
        session_id=event.session_id,
        user_id=event.user_id,
        workspace_id=event.workspace_id,
        provider=event.provider,
        origin=event.origin,
        caller=event.caller,
        chat=event.chat,
        system=event.system,
        thread=event.thread,
        elsewhere=event.elsewhere,
        dirty=event.dirty,
        kept=event.persistent,
        turn=turn,
    )


def _ended(
    state: Session, event: TurnCompleted | TurnFailed | TurnCancelled, *, dirty: bool
) -> Session:
    return attrs.evolve(
        state,
        thread=event.end.thread,
        expires_at=event.end.expires_at,
        dirty=dirty,
        turn=None,
    )


def _had_started(state: Session) -> bool:
    return state.turn is not None and state.turn.started is not None


def is_expired(state: Session, now: datetime) -> bool:
    """Tells whether the session's time is over, whether or not the log says so yet."""
    return state.expires_at is not None and state.expires_at <= now


def standing_thread(state: Session, *, provider: str, now: datetime) -> Thread:
    """Returns the thread that the next turn goes on with.

    It is empty after expiry, for a provider that has none here, and in a session that is not kept.
    """
    if is_expired(state, now) or not state.kept:
        return Thread()
    if state.provider == provider:
        return state.thread
    return next((each.thread for each in state.elsewhere if each.provider == provider), Thread())


def threads_elsewhere(state: Session, *, provider: str, now: datetime) -> tuple[Elsewhere, ...]:
    """Returns the threads that stay beside the one of this provider."""
    if is_expired(state, now) or not state.kept:
        return ()
    present = Elsewhere(provider=state.provider, thread=state.thread)
    kept = (*state.elsewhere, *([present] if state.thread != Thread() else []))
    return tuple(each for each in kept if each.provider != provider)


def refuse_if_busy(state: Session) -> None:
    """Raises SessionBusy while a turn of the session has not ended."""
    if state.turn is not None:
        raise SessionBusy(
            f"Session {state.session_id} is running task {state.turn.turn_id}. "
            "Wait for it to end, cancel it, or use another client_session_id.",
            retry_safe=False,
        )


def expire(state: Session, *, now: datetime) -> list[Event]:
    """Records what has been true since `expires_at`; empty while a turn is open."""
    if not is_expired(state, now) or state.turn is not None:
        return []
    return [SessionExpired(session_id=state.session_id)]


def reset(state: Session, *, user_id: str | None) -> list[Event]:
    """Has the next turn begin a fresh thread; empty if it would do so anyway.

    NotFound if the session is not `user_id`'s (None: an operator asks); SessionBusy while a turn
    runs.
    """
    if not state.exists or (user_id is not None and state.user_id != user_id):
        raise NotFound("There is no such session.")
    refuse_if_busy(state)
    if state.thread == Thread() and not state.elsewhere and not state.dirty:
        return []
    return [SessionReset(session_id=state.session_id)]


def set_back(state: Session, *, now: datetime) -> list[Event]:
    """Has the session be dirty and begin a fresh thread, because the log or the vault went back.

    Empty if it stands so already, if its time is over, or while a turn is open.
    """
    if not state.exists or state.turn is not None or is_expired(state, now):
        return []
    if evolve(state, back := SessionSetBack(session_id=state.session_id)) == state:
        return []
    return [back]
