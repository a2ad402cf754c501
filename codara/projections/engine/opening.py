"""Opens the files of read models: those that are of use are kept, the others are made again."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import attrs

from codara.projections.engine import manifest
from codara.projections.engine.base import Projection, ReadableLog
from codara.projections.engine.queries import Reader
from codara.projections.engine.store import Store

_LOG = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Opened:
    """The open files of the read models of one log: each with its writing and its asking end."""

    folder: Path
    log: ReadableLog
    stores: Sequence[Store]
    readers: dict[str, Reader]
    """By the read model's name."""
    thread: ThreadPoolExecutor
    """The one thread that all stores belong to."""


async def open_files(folder: Path, log: ReadableLog, projections: Sequence[Projection]) -> Opened:
    """Opens the file of every read model; one that is missing is made, and is empty.

    A file that is damaged, of another version or schema, or that was folded from other events than
    the log now holds, is thrown away and made again.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="views")
    try:
        stores = await _stores(folder, log, projections, thread)
        readers = {store.projection.name: await Reader.open(store.path) for store in stores}
    except BaseException:
        thread.shutdown(wait=False)
        raise
    return Opened(folder=folder, log=log, stores=stores, readers=readers, thread=thread)


async def _stores(
    folder: Path, log: ReadableLog, projections: Sequence[Projection], thread: ThreadPoolExecutor
) -> list[Store]:
    run = partial(asyncio.get_running_loop().run_in_executor, thread)
    found: list[Store] = await run(_open_current, folder, projections)
    kept: list[Store] = []
    for store in found:
        if await _belongs(store, log):
            kept.append(store)
        else:
            _LOG.warning("%s was not folded from this log: it is built again", store.path)
            await run(store.close)
    return await run(_complete, folder, projections, kept, log.log_id)


def _open_current(folder: Path, projections: Sequence[Projection]) -> list[Store]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = manifest.load(folder)
    stores = (_open_one(folder, projection, files) for projection in projections)
    return [store for store in stores if store is not None]


def _open_one(folder: Path, projection: Projection, files: dict[str, str]) -> Store | None:
    file = files.get(projection.name)
    if file is None or not manifest.is_version(file, projection.version):
        return None
    try:
        return Store.open(projection, folder / file)
    except sqlite3.Error as error:
        _LOG.warning("%s is of no use (%s): it is built again", folder / file, error)
        return None


async def _belongs(store: Store, log: ReadableLog) -> bool:
    """Tells whether the log still holds what the store folded last."""
    known = store.progress
    if known.log_id != log.log_id or known.position > log.head():
        return False
    if known.position == 0:
        return True
    last = await log.read(known.position - 1, limit=1, sealed=True)
    return bool(last) and last[0].metadata.event_id == known.event_id


def _complete(
    folder: Path, projections: Sequence[Projection], kept: Sequence[Store], log_id: str
) -> list[Store]:
    stores = {store.projection.name: store for store in kept}
    for projection in projections:
        if projection.name not in stores:
            file = manifest.next_file(folder, projection.name, projection.version)
            stores[projection.name] = Store.create(projection, folder / file, log_id)
    files = {name: str(store.path.relative_to(folder)) for name, store in stores.items()}
    manifest.save(folder, files)
    manifest.sweep(folder, files)
    return [stores[projection.name] for projection in projections]
