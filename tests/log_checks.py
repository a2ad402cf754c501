"""Folding a whole log strictly: no stream of it holds an order that cannot have happened."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from codara.application.deciding import Deciding
from codara.domain.aggregates import of_stream
from codara.domain.strict import strictly
from codara.events.base import Recorded
from codara.events.store.log import EventLog


async def folds_strictly(log: EventLog, deciding: Deciding) -> set[str]:
    """Folds every stream to the state that decisions were made on; the names of all facts."""
    found = await by_stream(log)
    for stream, recorded in found.items():
        state = strictly(stream, recorded)
        assert state == _folded(stream, recorded) == await deciding.state(stream)
    return {each.event.name for recorded in found.values() for each in recorded}


async def by_stream(log: EventLog) -> dict[str, list[Recorded]]:
    """All that is in the log."""
    found: dict[str, list[Recorded]] = defaultdict(list)
    for recorded in await log.read(0, limit=100_000):
        found[recorded.stream].append(recorded)
    return found


def _folded(stream: str, recorded: Sequence[Recorded]) -> Any:
    aggregate = of_stream(stream)
    state = aggregate.empty
    for each in recorded:
        state = aggregate.evolve(state, each.event)
    return state
