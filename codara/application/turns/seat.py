"""The seat of a turn: which session it belongs to, and at which point of it the turn goes on."""

import asyncio
from collections.abc import Iterable

import attrs

from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.finding import Found
from codara.application.turns.offering import digest_of
from codara.domain import conversation, history, session
from codara.domain.conversation import ASIDE, FORKED, FOUND, NAMED, NEW, Offered, Proposal, is_cut
from codara.domain.history import Unheard
from codara.domain.name import Name
from codara.domain.transcript import DigestOf, advance, same
from codara.errors import InvalidRequest, NotFound
from codara.events import streams
from codara.events.thread import Branch, Point, Thread

_FEW = 128
"""Up to this many entries are compared on the event loop."""
_PREFIXES = 2_000
"""So many of the latest points of a request are looked for in a session that has gone another way.
"""


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
    origin: str
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
    def kind(self) -> str:
        """`new`, `resumed`, `forked` or `fresh`."""
        if self.fork:
            return "forked"
        if self.thread.backend_id is not None:
            return "resumed"
        return "fresh" if self.base.exists or self.forked_from else "new"


async def find_seat(
    context: Context, command: RunTurn, workspace_id: str, offered: Offered
) -> Seat:
    """The session that the request names, or that its transcript leads to, or one of its own.

    NotFound for an id that is not the caller's, SessionBusy while a named session runs a turn. One
    that is found never makes anybody wait.
    """
    if not command.persistent:
        return _new(context, offered, ASIDE if command.aside else NEW)
    if command.session_label is not None:
        return await _named(context, command, workspace_id, offered, command.session_label)
    if not any(message.role == "assistant" for message in command.messages):
        return _new(context, offered, NEW)
    return await _found(context, command, workspace_id, offered) or _new(context, offered, FOUND)


def _new(context: Context, offered: Offered, origin: str) -> Seat:
    return Seat(
        session_id=context.new_id("ses"),
        origin=origin,
        base=session.EMPTY,
        after=offered.points[-1],
    )


# ------------------------------------------------------------------ by its name


async def _named(
    context: Context, command: RunTurn, workspace_id: str, offered: Offered, label: str
) -> Seat:
    session_id, name_stream = await _by_name(context, command, workspace_id, label)
    base: session.Session = await context.deciding.state(streams.session(session_id))
    session.refuse_if_busy(base)
    thread = session.standing_thread(base, provider=command.provider, now=context.clock())
    seat = Seat(
        session_id=session_id,
        label=label,
        name_stream=name_stream,
        origin=base.origin or NAMED,
        base=base,
        after=offered.points[-1],
    )
    if not offered.said and _is_switched(context, command, base):
        return await _switched(context, command, seat, thread, offered)
    if thread.backend_id is None:
        return seat
    if not offered.said:
        return await _appended(context, command, seat, thread, offered)
    unheard = history.unheard_after(thread.point, offered.entries, offered.points)
    if unheard is not None:
        return attrs.evolve(seat, thread=thread, unheard=unheard)
    return await _branched_of_itself(context, command, seat, offered)


def _is_switched(context: Context, command: RunTurn, base: session.Session) -> bool:
    """Whether the session's last turn went to another provider, and left something behind."""
    stands = session.standing_thread(base, provider=base.provider, now=context.clock()).backend_id
    return stands is not None and base.provider != command.provider


async def _switched(
    context: Context, command: RunTurn, seat: Seat, thread: Thread, offered: Offered
) -> Seat:
    """A client that sends its newest messages alone, and to another provider than before."""
    told = await _appended(context, command, seat, seat.base.thread, offered)
    unheard = Unheard(place=told.unheard.place)
    return attrs.evolve(told, thread=thread, unheard=unheard, recalls=True)


async def _by_name(
    context: Context, command: RunTurn, workspace_id: str, label: str
) -> tuple[str, str | None]:
    if label.startswith("ses_"):
        known: session.Session = await context.deciding.state(streams.session(label))
        if known.user_id != command.caller.user_id:
            raise NotFound(f"There is no session {label}.", param="client_session_id")
        if known.workspace_id != workspace_id:
            raise InvalidRequest(
                f"Session {label} belongs to workspace {known.workspace_id}.",
                param="workspace_id",
            )
        return label, None
    named = context.keys.digest("session", command.caller.user_id, workspace_id, label)
    held: Name = await context.deciding.state(streams.name(named))
    return held.owner or context.new_id("ses"), streams.name(named)


async def _appended(
    context: Context, command: RunTurn, seat: Seat, thread: Thread, offered: Offered
) -> Seat:
    """A client that sends its newest messages alone; many of them are compared in a thread."""
    digest = digest_of(context, command.caller.user_id)
    if len(offered.entries) <= _FEW:
        return _appending(seat, thread, offered, digest)
    return await asyncio.to_thread(_appending, seat, thread, offered, digest)


def _appending(seat: Seat, thread: Thread, offered: Offered, digest: DigestOf) -> Seat:
    unheard = history.unheard_without_answers(thread.point, offered.entries, digest)
    after = thread.point
    if not unheard.again:
        after = advance(after, offered.entries[unheard.place :], digest)
    return attrs.evolve(seat, thread=thread, unheard=unheard, after=after)


async def _branched_of_itself(
    context: Context, command: RunTurn, seat: Seat, offered: Offered
) -> Seat:
    """The client has gone back: the session's thread is replaced by one from the last point in
    common, or by a fresh one."""
    places = {point.digest: at for at, point in enumerate(offered.points) if point.digest}
    found = await context.finder.of_session(
        seat.session_id, list(places)[-_PREFIXES:], provider=command.provider
    )
    usable = [
        each
        for each in found
        if _may_be_branched(context, command, each)
        and same(each.known.point, offered.points[places[each.known.point.digest]])
    ]
    if not usable:
        return attrs.evolve(seat, diverged=True)
    best = max(usable, key=lambda each: (places[each.known.point.digest], each.known.order))
    return _branching(seat, best, places[best.known.point.digest])


# ------------------------------------------------------------------ by its transcript


async def _found(
    context: Context, command: RunTurn, workspace_id: str, offered: Offered
) -> Seat | None:
    caller, provider = caller_of(command), command.provider
    found = await context.finder.of_digests(
        offered.digests(), caller=caller, workspace_id=workspace_id, provider=provider
    )
    meant = conversation.proposals(offered, [each.known for each in found])
    seat = await _seated(context, command, offered, meant, found)
    if seat is not None or not offered.tail():
        return seat
    ends = await context.finder.of_tail(
        offered.tail(), caller=caller, workspace_id=workspace_id, provider=provider
    )
    meant = conversation.shortened(offered, [each.known for each in ends])
    seat = await _seated(context, command, offered, meant, ends)
    if seat is None:
        return None
    digest = digest_of(context, command.caller.user_id)
    reached = meant[0].known.point
    return attrs.evolve(seat, after=advance(reached, offered.entries[offered.said :], digest))


async def _seated(
    context: Context,
    command: RunTurn,
    offered: Offered,
    meant: Iterable[Proposal],
    found: Iterable[Found],
) -> Seat | None:
    """Goes on where a session ends and is idle, else branches where one has been."""
    threads = {each.known.turn_id: each for each in found}
    proposed = list(meant)
    for each in proposed:
        seat = await _going_on(context, offered, each, threads[each.known.turn_id].thread)
        if seat is not None:
            return seat
    for each in proposed:
        if not is_cut(each.known.point):
            origin = threads[each.known.turn_id]
            fresh = attrs.evolve(
                _new(context, offered, FORKED),
                forked_from=each.known.turn_id,
                since=origin.thread.tree,
            )
            if _may_be_branched(context, command, origin):
                return _branching(fresh, origin, each.place)
            return fresh
    return None


async def _going_on(
    context: Context, offered: Offered, proposal: Proposal, thread: Thread
) -> Seat | None:
    """The seat in a session that ends at the proposed point, by what the log says of it now."""
    known = proposal.known
    if not known.last:
        return None
    base: session.Session = await context.deciding.state(streams.session(known.session_id))
    if base.turn is not None or base.thread != thread or session.is_expired(base, context.clock()):
        return None
    cut = is_cut(known.point)
    unheard = Unheard(place=proposal.place, cut=cut)
    if cut and proposal.place == len(offered.entries):
        unheard = history.asked_again(offered.entries)
    return Seat(
        session_id=known.session_id,
        origin=base.origin,
        base=base,
        thread=base.thread,
        unheard=unheard,
        after=offered.points[-1],
    )


# ------------------------------------------------------------------ branches


def _may_be_branched(context: Context, command: RunTurn, each: Found) -> bool:
    return (
        context.agents.forks(command.provider)
        and each.thread.mark is not None
        and not is_cut(each.known.point)
    )


def _branching(seat: Seat, origin: Found, place: int) -> Seat:
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
