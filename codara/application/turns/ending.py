"""The end of a turn on its way into the log: whole, or reduced to what an event can hold."""

import logging
from functools import partial

import attrs

from codara.application.turns.finding import Reached
from codara.application.turns.payloads import Parcel
from codara.domain.turns import end as ending
from codara.events import streams
from codara.events.base import Cause
from codara.events.store.mapper import EventTooLarge

logger = logging.getLogger(__name__)


async def append_end(parcel: Parcel, ask: ending.EndTurn, cause: Cause) -> int:
    """Appends *ended*; the position, or 0 if the turn had ended already.

    An end that no event could hold is reduced rather than refused: a turn always ends.
    """
    try:
        return await _append(parcel, ask, cause)
    except EventTooLarge:
        logger.exception("the end of task %s has to be reduced", ask.ended.turn_id)
    return await _append(parcel, ending.reduced(await _answer_beside(parcel, ask)), cause)


async def _append(parcel: Parcel, ask: ending.EndTurn, cause: Cause) -> int:
    decision = partial(ending.decide, ask=ask)
    context = parcel.context
    decided = await context.deciding.decide(ask.streams(), decision, cause, parcel.payloads)
    if decided.position is None:
        return 0
    stands = decided.states[streams.session(ask.ended.session_id)]
    context.finder.note(Reached.of(stands, ask.ended.turn_id, decided.position))
    return decided.position


async def _answer_beside(parcel: Parcel, ask: ending.EndTurn) -> ending.EndTurn:
    """The whole answer in a payload, so that nothing of it is lost."""
    ended = ask.ended
    if ended.answer_payload is not None:
        return ask
    payload = await parcel.data(ended.answer.encode(errors="surrogatepass"))
    return attrs.evolve(ask, ended=attrs.evolve(ended, answer_payload=payload))
