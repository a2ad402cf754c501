"""The store: the log, the keys of what is sealed in it, and the decisions made on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from codara.adapters.installation.finding import find
from codara.adapters.installation.judging import Verdict, judge
from codara.adapters.installation.marks import mark_all
from codara.adapters.installation.noting import Noter
from codara.adapters.vault.vault import FileVault
from codara.application.deciding import Deciding
from codara.bootstrap.closing import closing
from codara.config.load import Loaded
from codara.domain.aggregates import of_stream
from codara.events.base import GATEWAY_SUBJECT, Cause, Event
from codara.events.store.lock import FileLock
from codara.events.store.log import EventLog


@attrs.frozen(kw_only=True)
class OpenStore:
    """The open log and vault."""

    vault: FileVault
    log: EventLog
    deciding: Deciding
    noter: Noter
    verdict: Verdict
    """How log, vault and folders were found."""

    def trouble(self) -> list[str]:
        """Returns why the log takes no writes, and what else of it is damaged; empty if it does."""
        trouble = self.log.trouble()
        if trouble is None:
            return []
        further = [damage for damage in self.log.damages() if damage not in trouble.message]
        return [f"the log takes no writes: {trouble.code}: {trouble.message}", *further]


@asynccontextmanager
async def open_store(
    loaded: Loaded, run_id: str, *, accept_loss: bool = False
) -> AsyncIterator[OpenStore]:
    """Opens the vault, then the log, if they belong together; the noter begins unless one is old.

    LogLocked, LogDamaged, DataMismatch or MasterKeyInvalid if it cannot. With `accept_loss` a log
    or a vault may be older than the other one has seen; its opener then has to `begin` the noter.
    """
    settings = loaded.settings
    home, path = settings.server.data_dir, settings.log_path
    async with _held(path) as lock:
        found = await asyncio.to_thread(find, home, path)
        verdict = judge(found, accept_loss=accept_loss)
        async with closing(await FileVault.open(home, loaded.master_key)) as vault:
            await vault.ensure(GATEWAY_SUBJECT)
            opened = await EventLog.open(path, vault, run_id=run_id, lock=lock)
            async with closing(opened) as log:
                deciding = Deciding(log, of_stream)
                noter = _keeper(log, vault, deciding, verdict, run_id)
                async with closing(noter):
                    if not verdict.is_known:
                        await asyncio.to_thread(mark_all, home, log.log_id)
                    if not verdict.losses:
                        await noter.begin()
                    yield OpenStore(
                        vault=vault, log=log, deciding=deciding, noter=noter, verdict=verdict
                    )


@asynccontextmanager
async def _held(log: Path) -> AsyncIterator[FileLock]:
    lock = FileLock.beside(log)
    await asyncio.to_thread(log.parent.mkdir, parents=True, exist_ok=True)
    lock.take()
    try:
        yield lock
    finally:
        lock.release()


def _keeper(
    log: EventLog, vault: FileVault, deciding: Deciding, verdict: Verdict, run_id: str
) -> Noter:
    cause = Cause(actor="system:gateway", correlation_id=run_id)

    async def append(stream: str, events: Sequence[Event], /) -> None:
        await deciding.note(stream, events, cause)

    return Noter(log, vault, append, seen=verdict.seen, changes=verdict.vault_noted)
