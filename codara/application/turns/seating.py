"""Seating: which session a request belongs to, by its name, its transcript, or on its own."""

from collections.abc import Iterable

import attrs

from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.finding import Found
from codara.application.turns.named import named_seat
from codara.application.turns.offering import digest_of
from codara.application.turns.seat import Seat, branching, caller_of, may_be_branched
from codara.domain import conversation, history, session
from codara.domain.conversation import ASIDE, FORKED, FOUND, NEW, Offered, Proposal, is_cut
from codara.domain.history import Unheard
from codara.domain.transcript import advance
from codara.events import streams
from codara.events.thread import Thread
from codara.events.vocabulary import SessionOrigin


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
        return await named_seat(context, command, workspace_id, offered, command.session_label)
    if not any(message.role == "assistant" for message in command.messages):
        return _new(context, offered, NEW)
    return await _found(context, command, workspace_id, offered) or _new(context, offered, FOUND)


def _new(context: Context, offered: Offered, origin: SessionOrigin) -> Seat:
    return Seat(
        session_id=context.new_id("ses"),
        origin=origin,
        base=session.EMPTY,
        after=offered.points[-1],
    )


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
    return attrs.evolve(seat, after=advance(reached, offered.entries[meant[0].place :], digest))


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
            if may_be_branched(context, command, origin):
                return branching(fresh, origin, each.place)
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
    if base.thread.backend_id is None:
        unheard = Unheard(place=0)
    return Seat(
        session_id=known.session_id,
        origin=base.origin,
        base=base,
        thread=base.thread,
        unheard=unheard,
        after=offered.points[-1],
    )
