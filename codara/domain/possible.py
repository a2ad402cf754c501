"""What may come next in a stream, given its kind and all that came before."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import attrs

from codara.domain import account, user
from codara.domain.account import Account
from codara.domain.idempotency import Idempotency
from codara.domain.key import Key
from codara.domain.lease import Lease
from codara.domain.name import Name
from codara.domain.operator import OperatorLogin
from codara.domain.session import OpenTurn, Session
from codara.domain.user import User
from codara.domain.workspace import Workspace
from codara.events.account import AccountRegistered, HealthChanged
from codara.events.base import Event
from codara.events.gateway import (
    GatewayFoldersMissing,
    GatewayRecovered,
    GatewayStarted,
    GatewayStopped,
    LogOpened,
)
from codara.events.idempotency import IdempotencyClaimed, IdempotencyFreed
from codara.events.jail import EgressDenied, JailExited, JailKilled, JailStarted
from codara.events.key import KeyIssued, KeyRevoked
from codara.events.lease import LeaseReleased, LeaseTaken
from codara.events.loss import SessionSetBack
from codara.events.name import NameClaimed, NameFreed
from codara.events.operator import (
    LoginRefused,
    OperatorLoggedIn,
    TokenExchanged,
    TokenReused,
    TokenRevoked,
)
from codara.events.session import (
    AccountChanged,
    BackendBound,
    HistoryDiverged,
    SessionExpired,
    SessionOpened,
    SessionReset,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
    TurnRetried,
    TurnStarted,
)
from codara.events.thread import Thread
from codara.events.user import Suspended, UserProvisioned, UserRestored
from codara.events.workspace import (
    DiffRecorded,
    WorkspaceLocked,
    WorkspaceProvisioned,
    WorkspaceRepaired,
    WorkspaceUnlocked,
)


@attrs.define
class Past:
    """What the state of a stream does not remember of its facts."""

    last: Event | None = None
    _said: set[tuple[type[Event], str]] = attrs.field(factory=set)

    def holds(self, fact: type[Event], whom: str) -> bool:
        """Tells whether the stream holds such a fact about that turn, holder or gateway."""
        return (fact, whom) in self._said

    def add(self, event: Event) -> None:
        """Remembers one more fact."""
        self.last = event
        self._said.add((type(event), about(event)))


Demands = Iterator[tuple[bool, str]]
"""What must hold for a fact, each with the words for it; a later one counts on those before it."""
Rule = Callable[[Past, Any, Event, datetime], Demands]


def about(event: Event) -> str:
    """Names whom or what the fact is about, where the stream does not; empty where it does."""
    holder = getattr(event, "holder", None)
    if holder is not None:
        return f"{holder.kind} {holder.id}"
    named = (getattr(event, name, "") for name in ("turn_id", "owner", "key_id", "gateway_id"))
    return str(next(filter(None, named), ""))


def _session(past: Past, state: Session, event: Event, at: datetime) -> Demands:
    is_opening = isinstance(event, SessionOpened)
    yield state.exists != is_opening, "a new session" if is_opening else "an opened session"
    if isinstance(past.last, HistoryDiverged):
        wanted = (TurnRequested, past.last.turn_id)
        yield (type(event), about(event)) == wanted, f"the request of {wanted[1]}"
    match event:
        case TurnRequested():
            yield from _no_turn(state)
            yield not past.holds(TurnRequested, event.turn_id), "a task that is new"
            asked = (event.session_id, event.user_id, event.workspace_id)
            yield asked == (state.session_id, state.user_id, state.workspace_id), "the same session"
        case TurnStarted(turn_id=turn_id):
            turn = state.turn
            yield _is_open(turn, turn_id), f"that {turn_id} has been requested and has not ended"
            yield turn is None or turn.started is None, f"that {turn_id} has not started yet"
        case AccountChanged(turn_id=turn_id):
            yield _runs(state.turn, turn_id), f"that {turn_id} runs"
            ran_on = _account_of(state.turn)
            yield event.before == ran_on, f"that the account before is {ran_on}"
        case BackendBound() | TurnRetried() | TurnCompleted():
            yield _runs(state.turn, event.turn_id), f"that {event.turn_id} runs"
        case TurnFailed(turn_id=turn_id) | TurnCancelled(turn_id=turn_id):
            open_still = _is_open(state.turn, turn_id)
            yield open_still, f"that {turn_id} has been requested and has not ended"
        case HistoryDiverged():
            yield from _no_turn(state)
        case SessionReset():
            yield from _no_turn(state)
            heard = state.thread != Thread() or bool(state.elsewhere)
            yield heard or state.dirty, "a session that is not fresh already"
        case SessionExpired():
            yield from _no_turn(state)
            until = state.expires_at
            yield until is not None and until <= at, "a session whose time is over"
        case SessionSetBack():
            yield from _no_turn(state)


def _no_turn(state: Session) -> Demands:
    running = state.turn.turn_id if state.turn else ""
    yield not running, f"the end of {running}"


def _is_open(turn: OpenTurn | None, turn_id: str) -> bool:
    return turn is not None and turn.turn_id == turn_id


def _runs(turn: OpenTurn | None, turn_id: str) -> bool:
    return turn is not None and turn.turn_id == turn_id and turn.started is not None


def _account_of(turn: OpenTurn | None) -> str:
    return turn.started.account_chosen.account_id if turn and turn.started else ""


def _workspace(past: Past, state: Workspace, event: Event, at: datetime) -> Demands:
    is_first = isinstance(event, WorkspaceProvisioned)
    yield state.exists != is_first, "a new workspace" if is_first else "a provisioned workspace"
    holder = state.holder
    held = f"{holder.kind} {holder.id}" if holder else "nobody"
    match event:
        case WorkspaceLocked():
            free = holder is None or state.until is None or state.until <= at
            yield free, f"that {held} has unlocked it or that its time is over"
        case WorkspaceRepaired():
            by_one = holder is not None and holder.kind == "repair"
            yield by_one, f"that a repair holds it, and not {held}"
        case WorkspaceUnlocked():
            yield event.holder == holder, f"that it is unlocked by who holds it: {held}"
        case DiffRecorded(turn_id=turn_id):
            yield past.holds(WorkspaceLocked, f"turn {turn_id}"), f"that {turn_id} has locked it"
            yield not past.holds(DiffRecorded, turn_id), f"one diff of {turn_id}"


def _account(_past: Past, state: Account, event: Event, at: datetime) -> Demands:
    match event:
        case AccountRegistered():
            same = not state.exists or state.provider == event.provider
            yield same, f"the same provider, {state.provider}, until the account is removed"
        case HealthChanged():
            yield state.exists, "a registered account"
            stands = {state.status, account.standing(state, at)}
            yield event.before in stands, f"that it was {' or '.join(sorted(stands))} before"
        case _:
            yield state.exists, "a registered account"


def _user(_past: Past, state: User, event: Event, _at: datetime) -> Demands:
    is_first = isinstance(event, UserProvisioned)
    yield state.exists != is_first, "a new user" if is_first else "a provisioned user"
    yield state.status != user.DELETED, "nothing of a user who was deleted"
    match event:
        case Suspended():
            yield state.status == user.ACTIVE, "a user who is not suspended"
        case UserRestored():
            yield state.status == user.SUSPENDED, "a user who is suspended"


def _key(_past: Past, state: Key, event: Event, _at: datetime) -> Demands:
    match event:
        case KeyIssued():
            yield not state.exists, "a new key"
        case KeyRevoked():
            same = (state.key_id, state.user_id) == (event.key_id, event.user_id)
            yield same, "an issued key of that user"
            yield not state.revoked, "a key that was not revoked before"


def _name(_past: Past, state: Name, event: Event, _at: datetime) -> Demands:
    match event:
        case NameClaimed():
            yield state.owner is None, f"that {state.owner} has freed it"
        case NameFreed():
            yield state.owner == event.owner, f"that it is freed by its owner, {state.owner}"


def _lease(_past: Past, state: Lease, event: Event, at: datetime) -> Demands:
    match event:
        case LeaseTaken():
            yield state.free(at), f"that {state.turn_id} has released it or that its time is over"
        case LeaseReleased():
            holder = state.turn_id or "nobody"
            yield state.turn_id == event.turn_id, f"that it is released by who took it: {holder}"


def _idempotency(_past: Past, state: Idempotency, event: Event, _at: datetime) -> Demands:
    match event:
        case IdempotencyClaimed():
            yield state.turn_id is None, f"that {state.turn_id} has freed it"
        case IdempotencyFreed():
            owner = state.turn_id or "nobody"
            yield state.turn_id == event.turn_id, f"that it is freed by who claimed it: {owner}"


def _operator(_past: Past, state: OperatorLogin, event: Event, _at: datetime) -> Demands:
    match event:
        case OperatorLoggedIn() | LoginRefused():
            yield not state.operator_id, "that nobody has logged in here"
        case TokenRevoked() | TokenReused() | TokenExchanged():
            yield state.operator_id == event.operator_id, "a login of that operator"
            yield not state.ended, "a login that had not ended"
    if isinstance(event, TokenExchanged) and state.exchanges:
        newest = state.exchanges[-1].successor
        yield event.exchanges[-1].token_id == newest, f"an exchange of the newest token, {newest}"


def _jail(past: Past, _state: object, event: Event, _at: datetime) -> Demands:
    """A denied connection may be told of after the jail is gone: the jail waits a second for it."""
    is_first = isinstance(event, JailStarted)
    yield past.holds(JailStarted, "") != is_first, "a new jail" if is_first else "a started jail"
    if not isinstance(event, EgressDenied):
        yield not past.holds(JailExited, ""), "a jail that has not exited"
    if isinstance(event, JailKilled):
        yield not past.holds(JailKilled, ""), "a jail that was not killed before"


def _gateway(past: Past, _state: object, event: Event, _at: datetime) -> Demands:
    match event:
        case GatewayStarted() | GatewayRecovered() | GatewayFoldersMissing():
            yield not past.holds(GatewayStarted, event.gateway_id), "a gateway that starts now"
        case GatewayStopped():
            yield past.holds(GatewayStarted, event.gateway_id), "a gateway that has started"
            yield not past.holds(GatewayStopped, event.gateway_id), "that it stops once"


def _log(past: Past, _state: object, event: Event, _at: datetime) -> Demands:
    is_first = isinstance(event, LogOpened)
    yield (past.last is None) == is_first, "the log's first fact once, before all others"


RULES: dict[str, Rule] = {
    "session": _session,
    "workspace": _workspace,
    "account": _account,
    "user": _user,
    "key": _key,
    "name": _name,
    "lease": _lease,
    "idempotency": _idempotency,
    "operator": _operator,
    "jail": _jail,
    "gateway": _gateway,
    "log": _log,
}
"""By kind of stream; of the other kinds any order is possible."""
