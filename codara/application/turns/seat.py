"""The seat of a turn: its session, and the point of it at which the turn goes on."""

import attrs

from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.finding import Found
from codara.domain import session
from codara.domain.conversation import is_cut
from codara.domain.history import Unheard
from codara.events.thread import Branch, Point, Thread
from codara.events.vocabulary import SessionOrigin, ThreadKind


@attrs.frozen(kw_only=True)
class Seat:
    """A session, and what of the request its thread has heard.

    `thread` is the one the turn goes on with; it has no id for a turn that branches (`fork`) or
    begins a fresh one. `after` is the point it has come to when it has heard the request. The
    session's name is kept unique by `name_stream`; an unnamed one has none.
    """

    session_id: str
    label: str = ""
    name_stream: str | None = None
    origin: SessionOrigin
    base: session.Session
    thread: Thread = attrs.field(factory=Thread)
    fork: Branch | None = None
    forked_from: str | None = None
    since: str = ""
    """The workspace's tree where it branches; empty where that is not known, or it does not."""
    unheard: Unheard = attrs.field(factory=lambda: Unheard(place=0))
    after: Point
    diverged: bool = False
    recalls: bool = False
    """Whether its thread has to be told from the record what other providers' threads heard."""

    @property
    def kind(self) -> ThreadKind:
        """`new`, `resumed`, `forked` or `fresh`."""
        if self.fork:
            return "forked"
        if self.thread.backend_id is not None:
            return "resumed"
        return "fresh" if self.base.exists or self.forked_from else "new"


def may_be_branched(context: Context, command: RunTurn, each: Found) -> bool:
    return (
        context.agents.forks(command.provider)
        and each.thread.mark is not None
        and not is_cut(each.known.point)
    )


def branching(seat: Seat, origin: Found, place: int) -> Seat:
    thread = origin.thread
    fork = Branch(
        session_id=origin.known.session_id,
        turn_id=origin.known.turn_id,
        backend_id=thread.backend_id or "",
        mark=thread.mark or "",
    )
    return attrs.evolve(
        seat,
        thread=Thread(point=thread.point),
        fork=fork,
        forked_from=origin.known.turn_id,
        since=thread.tree,
        unheard=Unheard(place=place),
    )


def caller_of(command: RunTurn) -> str:
    """Whose sessions a request may find: its key's, or its operator's."""
    return command.caller.key_id or command.caller.actor
