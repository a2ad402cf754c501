"""Finding a conversation: what it costs among few sessions, and among many."""

import hashlib
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from benchmarks.common import run, scratch, show
from codara.events.base import Recorded
from codara.events.thread import Point, Thread
from codara.projections.engine.queries import Reader
from codara.projections.engine.store import Store
from codara.projections.points import PointQueries, PointsProjection
from tests import event_examples

FEW = 100
MANY = 100_000
FINDS = 400
BATCH = 500
CALLER = {
    "caller": event_examples.KEY,
    "workspace_id": event_examples.WORKSPACE,
    "provider": "codex",
}


def digest(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def history(sessions: int) -> Iterator[Recorded]:
    """Sessions without a name that have ended one turn each."""
    position = 0
    for number in range(sessions):
        ids = {"session_id": f"ses_{number}", "turn_id": f"trn_{number}"}
        mine = digest(number)
        point = Point(digest=mine, entries=2, answered=mine, exchange=mine, tail=mine)
        thread = Thread(backend_id=f"thread-{number}", point=point, mark="mark")
        end = attrs.evolve(event_examples.END, thread=thread)
        for event in (
            event_examples.turn_requested(**ids, origin="new", caller=event_examples.KEY),
            event_examples.turn_completed(**ids, end=end),
        ):
            position += 1
            yield event_examples.recorded(event, position=position)


async def asked(folder: Path, sessions: int) -> list[float]:
    """Milliseconds of each find, of sessions all over the read model."""
    store = Store.create(PointsProjection(), folder / f"{sessions}.db", "log_1", fast=True)
    batch: list[Recorded] = []
    for recorded in history(sessions):
        batch.append(recorded)
        if len(batch) == BATCH:
            store.fold(store.position, batch)
            batch = []
    store.fold(store.position, batch)
    store.settle()
    reader = await Reader.open(store.path)
    points = PointQueries(reader, lambda: event_examples.NOW)
    took = []
    for number in range(FINDS):
        wanted = [digest(number * 7919 % sessions), *(digest(-each) for each in range(1, 5))]
        began = time.perf_counter()
        found = await points.of_digests(wanted, **CALLER)
        took.append((time.perf_counter() - began) * 1000)
        assert len(found) == 1
    await reader.close()
    store.close()
    return took


async def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    with scratch() as folder:
        few = await asked(folder, FEW)
        lots = await asked(folder, many)
    ratio = statistics.median(lots) / statistics.median(few)
    show(f"ms to find among {FEW} sessions, p50", statistics.median(few))
    show(f"ms to find among {many:,} sessions, p50", statistics.median(lots))
    show("the second ÷ the first", ratio)


if __name__ == "__main__":
    run(main())
