"""The points of a conversation whose next turn is under way: it may be branched meanwhile."""

import attrs
from read_model_setup import PLACE, SESSION, World, completed, requested, started

from codara.events.session import TurnEnd
from codara.events.thread import Point, Thread
from tests import event_examples

MINE = {"caller": event_examples.KEY, "workspace_id": event_examples.WORKSPACE, "provider": "codex"}


async def test_a_session_is_found_where_it_has_been_while_its_next_turn_runs(world: World) -> None:
    first = requested(origin="new")
    opened = event_examples.session_opened(origin="new", client_session_id="")
    await world.happen(PLACE, {**first, SESSION: [opened, first[SESSION][-1]]}, started())
    await world.happen(completed())
    await world.happen(requested("trn_2", origin="new"), started("trn_2"))
    (row,) = await world.views.points.of_digests([event_examples.POINT.digest], **MINE)
    assert (row.session_id, row.turn_id) == (event_examples.SESSION, event_examples.TURN)


async def test_its_end_is_found_by_the_last_two_exchanges_as_well(world: World) -> None:
    point = Point(digest="1" * 32, entries=4, answered="1" * 32, tail="t")
    end: TurnEnd = attrs.evolve(
        event_examples.END, thread=Thread(backend_id="b", point=point, mark="m")
    )
    first = requested(origin="new")
    opened = event_examples.session_opened(origin="new", client_session_id="")
    await world.happen(PLACE, {**first, SESSION: [opened, first[SESSION][-1]]}, started())
    await world.happen({SESSION: [event_examples.turn_completed(answer_payload=None, end=end)]})
    await world.happen(requested("trn_2", origin="new"), started("trn_2"))
    (row,) = await world.views.points.of_tail("t", **MINE)
    assert row.turn_id == event_examples.TURN
