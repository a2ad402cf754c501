"""Unchanged snapshots against a bare stat walk, and how long the event loop waits meanwhile.

python benchmarks/snapshot.py [files ...]        default: 5000 50000
"""

import asyncio
import gc
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from codara.adapters.workspaces.folders import Folders

FILES_A_FOLDER = 50
REACH = 1.2
MEAN_BYTES = 3500


def fill(folder: Path, files: int) -> None:
    """Folders of 50 files, ten folders in each parent, 3.5 KB a file on average."""
    for number in range(files // FILES_A_FOLDER):
        below = folder / f"part{number % 10}" / f"module{number}"
        below.mkdir(parents=True)
        for index in range(FILES_A_FOLDER):
            size = (number * 7919 + index * 104729) % (2 * MEAN_BYTES)
            text = f"line {number} {index}\n" * (size // 12 + 1)
            (below / f"file{index}.py").write_text(text)


def bare_walk(folder: str) -> int:
    """What the system calls alone cost: every entry listed and asked for its stat."""
    seen = 0
    todo = [folder]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                seen += 1
                if found.st_mode & 0o170000 == 0o040000:
                    todo.append(entry.path)
    return seen


class Stalls:
    """Measures the longest time for which the event loop did not come round."""

    async def __aenter__(self) -> "Stalls":
        self.longest = 0.0
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - before - 0.001)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    before = time.perf_counter()
    await work()
    return (time.perf_counter() - before) * 1000


async def measure(files: int, scratch: Path) -> None:
    folders = Folders(scratch / "root", scratch / "trees")
    folder = folders.folder("usr_1", "bench")
    await folders.provision("wsp_1", folder)
    fill(folder, files)

    async def snapshot() -> object:
        return await folders.snapshot("wsp_1", folder)

    async def walk() -> object:
        return await asyncio.to_thread(bare_walk, str(folder))

    empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    async with Stalls() as first_stalls:
        first = await timed(snapshot)
    await timed(snapshot)
    walks, snapshots = [], []
    for _ in range(7):
        walks.append(await timed(walk))
        snapshots.append(await timed(snapshot))
    async with Stalls() as stalls:
        for _ in range(3):
            await timed(snapshot)
    final = await folders.snapshot("wsp_1", folder)
    async with Stalls() as diff_stalls:
        everything = await timed(lambda: folders.diff("wsp_1", empty, final.tree))
    await folders.close()
    again = Folders(scratch / "root", scratch / "trees")
    restarted = await timed(lambda: again.snapshot("wsp_1", folder))
    await again.close()

    ratio = statistics.median(snapshots) / statistics.median(walks)
    print(
        f"{files:>7} files: unchanged {statistics.median(snapshots):.0f} ms, bare walk "
        f"{statistics.median(walks):.0f} ms, ratio {ratio:.2f} (reach {REACH}); "
        f"first {first:.0f} ms, after a restart {restarted:.0f} ms, diff of all {everything:.0f} ms"
    )
    print(
        f"               longest stall of the event loop: first {first_stalls.longest * 1000:.1f} "
        f"ms, unchanged {stalls.longest * 1000:.1f} ms, diff {diff_stalls.longest * 1000:.1f} ms"
    )


async def small_turn(scratch: Path) -> None:
    """What one turn pays in a workspace of twenty files."""
    folders = Folders(scratch / "root", scratch / "trees")
    folder = folders.folder("usr_1", "small")
    await folders.provision("wsp_2", folder)
    for number in range(20):
        (folder / f"file{number}.txt").write_text(f"{number}\n" * 100)
    unchanged, changed, diffs = [], [], []
    before = await folders.snapshot("wsp_2", folder)
    await asyncio.sleep(0.05)
    for number in range(200):
        await folders.snapshot("wsp_2", folder)
        unchanged.append(await timed(lambda: folders.snapshot("wsp_2", folder)))
        (folder / "file3.txt").write_text(f"turn {number}\n" * 100)
        changed.append(await timed(lambda: folders.snapshot("wsp_2", folder)))
        after = await folders.snapshot("wsp_2", folder)
        trees = before.tree, after.tree
        diffs.append(await timed(lambda trees=trees: folders.diff("wsp_2", *trees)))
        before = after
        await asyncio.sleep(0.025)
    await folders.close()
    told = [f"{statistics.median(times):.2f}" for times in (unchanged, changed, diffs)]
    print(
        f"a turn in 20 files: unchanged {told[0]} ms, one changed {told[1]} ms, diff {told[2]} ms"
    )


def main() -> None:
    """Like the gateway, it leaves what imports have made out of every collection."""
    gc.collect()
    gc.freeze()
    for files in [int(text) for text in sys.argv[1:]] or [5_000, 50_000]:
        scratch = Path(tempfile.mkdtemp(prefix="codara-bench-"))
        try:
            uvloop.run(measure(files, scratch))
        finally:
            shutil.rmtree(scratch)
    scratch = Path(tempfile.mkdtemp(prefix="codara-bench-"))
    try:
        uvloop.run(small_turn(scratch))
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
