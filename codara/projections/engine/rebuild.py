"""Builds a read model from nothing: into a file of its own, as fast as it goes."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from codara.events.base import Recorded
from codara.events.store.follower import BATCH
from codara.projections.engine.base import Projection, ReadableLog
from codara.projections.engine.store import Store

Progress = Callable[[int], None]


async def rebuild(
    projection: Projection,
    log: ReadableLog,
    path: Path,
    thread: Executor,
    *,
    until: int | None = None,
    progress: Progress | None = None,
) -> Store:
    """A fresh store at `path`, folded up to `until` (None: to the log's present head), and synced.

    All work is done in `thread`, which the caller may end afterwards. `progress` hears the position
    after every batch. If it fails, or is cancelled, the file is closed but stays.
    """
    (store,) = await rebuild_all([(projection, path)], log, thread, until=until, progress=progress)
    return store


async def rebuild_all(
    wanted: Sequence[tuple[Projection, Path]],
    log: ReadableLog,
    thread: Executor,
    *,
    until: int | None = None,
    progress: Progress | None = None,
) -> list[Store]:
    """Several read models in one pass over the log; otherwise as `rebuild`."""
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    stores: list[Store] = await run(_create, wanted, log.log_id)
    try:
        await _fold(stores, log, run, log.head() if until is None else until, progress)
        await run(_each, stores, Store.settle)
    except BaseException:
        await asyncio.shield(run(_each, stores, Store.close))
        raise
    return stores


async def _fold(
    stores: Sequence[Store],
    log: ReadableLog,
    run: Callable[..., asyncio.Future[None]],
    head: int,
    progress: Progress | None,
) -> None:
    after = 0
    while after < head:
        batch = await log.read(after, limit=BATCH, until=head, sealed=True)
        if not batch:
            break
        await run(_fold_each, stores, after, batch)
        after = batch[-1].position
        if progress is not None:
            progress(after)


def _create(wanted: Sequence[tuple[Projection, Path]], log_id: str) -> list[Store]:
    return [Store.create(projection, path, log_id, fast=True) for projection, path in wanted]


def _fold_each(stores: Sequence[Store], after: int, batch: Sequence[Recorded]) -> None:
    for store in stores:
        store.fold(after, batch)


def _each(stores: Sequence[Store], act: Callable[[Store], None]) -> None:
    for store in stores:
        act(store)
