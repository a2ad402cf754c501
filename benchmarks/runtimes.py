"""Turns of the real CLIs: through the gateway, and driven by the pool alone, one after the other.

A CLI works on for a while behind its turn (it writes its store, takes its own snapshots), so a
pause comes before every turn of either way: no turn pays for what the one before it left behind.
The pause is as long as that work, and no longer: what is measured is warm. A turn through the
gateway and one driven directly make a pair; which goes first is left to chance, and so is part of
the pause: what a CLI does every few turns or seconds falls on both ways alike.
Both go to the same process and the same thread: two processes of one CLI differ by more than the
gateway takes. The log has run for so long before that it writes over what it wrote, as it does but
for its first minutes: a file that grows is slower to sync.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from benchmarks import processor
from benchmarks.common import median_interval, run, scratch, show, yardstick
from benchmarks.ways import Bench, Cost, bench, model_server

PAIRS = {"codex": 100, "gemini": 100, "claude": 100, "opencode": 300}
"""OpenCode's turns differ from one to the next by more than the others'."""
WARM_UP = 5
CONVERSATION = 20
"""So many pairs a thread: a CLI needs the longer for a turn, the longer its thread is."""
PAUSE_SECONDS = {"codex": 0.1, "gemini": 0.05, "claude": 0.1, "opencode": 0.3}
"""For so long each CLI computes on behind its turn."""
SYNCS = 200
WAL_BYTES = 1000 * 4120
"""SQLite begins its write-ahead log anew behind a thousand pages."""


async def rounds(at: Bench, runtime: str, pairs: int) -> tuple[list[Cost], list[Cost]]:
    """So many turns of either way, through the gateway and directly, in short conversations."""
    ways, chance = [(at.through, list[Cost]()), (at.direct, list[Cost]())], Random(runtime)
    for number in range(pairs):
        if number % CONVERSATION == 0:
            await new_conversation(at, runtime, number)
        for way, costs in chance.sample(ways, k=2):
            await asyncio.sleep(PAUSE_SECONDS[runtime] * chance.uniform(1, 1.5))
            costs.append(await way(runtime))
    (_, through), (_, direct) = ways
    return through, direct


async def new_conversation(at: Bench, runtime: str, number: int) -> None:
    """Some turns of it that nobody counts: what follows is warm, and the agent's process known."""
    at.session, before = f"{runtime}-{number}", processor.so_far()
    for _ in range(WARM_UP):
        await asyncio.sleep(PAUSE_SECONDS[runtime])
        await at.through(runtime)
    at.agent = processor.busiest(before)


async def log_in_use(at: Bench, runtime: str, wal: Path) -> None:
    """Turns without a pause, until the log has its full length."""
    while wal.stat().st_size < WAL_BYTES:
        await at.through(runtime)


async def sync_cost(folder: Path) -> float:
    """Milliseconds the disk takes for one page, in the middle; a turn waits for two of them."""
    costs: list[float] = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            await asyncio.sleep(0.005)
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            costs.append((time.perf_counter() - begun) * 1000)
    return statistics.median(costs)


async def measure(folder: Path, pairs: Mapping[str, int]) -> None:
    """Every runtime: both ways by turns, so that what the machine does meets both alike."""
    show("a million steps of plain Python", yardstick(), unit="ms")
    async with model_server() as address, bench(folder, address) as at:
        await log_in_use(at, "gemini", folder / "data" / "events.db-wal")
        for runtime, number in pairs.items():
            show("one sync of the disk, p50", await sync_cost(folder), unit="ms")
            report(runtime, *await rounds(at, runtime, number))


def report(runtime: str, through: Sequence[Cost], direct: Sequence[Cost]) -> None:
    """The figures of one runtime; its own time is that of pairs, so that slow minutes cancel."""
    total = statistics.median(cost.total for cost in through)
    alone = statistics.median(cost.total for cost in direct)
    first = statistics.median(cost.first for cost in through)
    outside = statistics.median(cost.outside for cost in through)
    show(f"{runtime}: a warm turn through the gateway, p50", total, unit="ms")
    show(f"{runtime}: the same turn driven directly, p50", alone, unit="ms")
    own = [way.total - alone.total for way, alone in zip(through, direct, strict=True)]
    show_own(f"{runtime}: gateway's own time, p50 of the pairs", own)
    show_own("    the agent's own computing set aside", beside_computing(own, through, direct))
    show_own("    as if the agent waited for the gateway's loop", by_its_work(through, direct))
    show(f"{runtime}: of the turn through the gateway outside the agent, p50", outside, unit="ms")
    show(f"{runtime}: CLI's first delta to the client, p50", first, reach="5", unit="ms")


def beside_computing(
    own: Sequence[float], through: Sequence[Cost], direct: Sequence[Cost]
) -> Sequence[float]:
    """The pairs' differences without that of what the agent computed in its two turns.

    Of all its threads, or of the main one alone: whichever leaves less that varies.
    """
    pairs = [(way.computed, alone.computed) for way, alone in zip(through, direct, strict=True)]
    of_all = [left - (a.process - b.process) for left, (a, b) in zip(own, pairs, strict=True)]
    of_main = [left - (a.main - b.main) for left, (a, b) in zip(own, pairs, strict=True)]
    return min(of_all, of_main, key=_width)


def by_its_work(through: Sequence[Cost], direct: Sequence[Cost]) -> Sequence[float]:
    """The time outside the agent, and what the loop computed more while the agent had the turn.

    As if the agent had waited for all of that, though it works on meanwhile.
    """
    pairs = zip(through, direct, strict=True)
    return [way.outside + way.worked - alone.worked for way, alone in pairs]


def _width(values: Sequence[float]) -> float:
    low, high = median_interval(values)
    return high - low


def show_own(what: str, values: Sequence[float]) -> None:
    low, high = median_interval(values)
    show(what, statistics.median(values), reach="10", unit="ms")
    print(f"    with 95 % between {low:.1f} and {high:.1f} ms")


def main() -> None:
    """`python -m benchmarks.runtimes [PAIRS [RUNTIME...]]`"""
    runtimes = sys.argv[2:] or list(PAIRS)
    pairs = {name: int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS[name] for name in runtimes}
    with scratch() as folder:
        run(measure(folder, pairs))


if __name__ == "__main__":
    main()
