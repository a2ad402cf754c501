"""The store: the log, the keys of what is sealed in it, and the decisions made on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from codara.adapters.vault.vault import FileVault
from codara.application.deciding import Deciding
from codara.bootstrap.closing import closing
from codara.config.load import Loaded
from codara.domain.aggregates import of_stream
from codara.events.base import GATEWAY_SUBJECT
from codara.events.store.log import EventLog


@attrs.frozen(kw_only=True)
class OpenStore:
    """The open log and vault."""

    vault: FileVault
    log: EventLog
    deciding: Deciding

    def trouble(self) -> list[str]:
        """Returns why the log takes no writes, and what else of it is damaged; empty if it does."""
        trouble = self.log.trouble()
        if trouble is None:
            return []
        further = [damage for damage in self.log.damages() if damage not in trouble.message]
        return [f"the log takes no writes: {trouble.code}: {trouble.message}", *further]


@asynccontextmanager
async def open_store(loaded: Loaded, run_id: str) -> AsyncIterator[OpenStore]:
    """Opens the vault, then the log; LogLocked, LogDamaged or MasterKeyInvalid if it cannot."""
    settings = loaded.settings
    async with closing(await FileVault.open(settings.server.data_dir, loaded.master_key)) as vault:
        await vault.ensure(GATEWAY_SUBJECT)
        async with closing(await EventLog.open(settings.log_path, vault, run_id=run_id)) as log:
            yield OpenStore(vault=vault, log=log, deciding=Deciding(log, of_stream))
