"""The seat of a turn whose session is named by its client."""

from functools import partial

import attrs

from codara.application.turns.commands import RunTurn
from codara.application.turns.context import Context
from codara.application.turns.offering import digest_of
from codara.application.turns.seat import Seat, branching, may_be_branched
from codara.domain import history, session
from codara.domain.conversation import NAMED, Offered
from codara.domain.history import Unheard
from codara.domain.name import Name
from codara.domain.transcript import DigestOf, advance, same
from codara.errors import InvalidRequest, NotFound
from codara.events import streams
from codara.events.thread import Thread
from codara.offload import PIECE, by_size

_PREFIXES = 2_000
"""How many of the latest points of a request are looked for in a session that has gone another way.
"""


async def named_seat(
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
        origin=base.origin if base.exists else NAMED,
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
    appending = partial(_appending, seat, thread, offered, digest)
    return await by_size(appending, size=len(offered.entries) * PIECE)


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
        if may_be_branched(context, command, each)
        and same(each.known.point, offered.points[places[each.known.point.digest]])
    ]
    if not usable:
        return attrs.evolve(seat, diverged=True)
    best = max(usable, key=lambda each: (places[each.known.point.digest], each.known.order))
    return branching(seat, best, places[best.known.point.digest])
