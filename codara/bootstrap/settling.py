"""Settling: what a gateway records of how log, vault and folders were found, before it serves."""

import asyncio
import logging

from codara.adapters.installation.marks import mark_all
from codara.application.restoring import Restoring
from codara.bootstrap.house import House
from codara.events import streams
from codara.events.base import Cause
from codara.events.gateway import GatewayFoldersMissing
from codara.events.loss import LogRestored

logger = logging.getLogger(__name__)

_MEANS = {
    "trees": "diffs are made again from the next turn on, earlier ones are in the log",
    "homes": "the agents' own threads are gone, and conversations go on with fresh ones",
}


async def settle(house: House, cause: Cause) -> None:
    """Records what was found; after an accepted loss every session is set back first.

    The vault hears of the log again only when all of that is written: a start that dies before is
    refused like this one.
    """
    verdict = house.store.verdict
    if verdict.losses:
        await _record_loss(house, cause)
        await house.store.noter.begin()
    if verdict.missing:
        await _record_missing(house, cause)


async def _record_loss(house: House, cause: Cause) -> None:
    verdict = house.store.verdict
    restoring = Restoring(
        deciding=house.deciding,
        sessions=house.views.sessions,
        clock=house.context.clock,
        cause=cause,
    )
    sessions = await restoring.set_back()
    restored = LogRestored(
        gateway_id=house.run_id,
        losses=verdict.losses,
        seen=verdict.seen.position if verdict.seen else 0,
        found=verdict.found,
        vault_noted=verdict.vault_noted,
        vault_found=verdict.vault_found,
    )
    position = await house.deciding.note(streams.LOG, [restored], cause)
    await house.views.wait_for(position or 0, 1.0)
    logger.warning(
        "a loss was accepted (%s): the vault had seen position %d, the log ended at %d;"
        " %d sessions were set back",
        ", ".join(verdict.losses),
        restored.seen,
        restored.found,
        sessions,
    )


async def _record_missing(house: House, cause: Cause) -> None:
    missing, home = house.store.verdict.missing, house.settings.server.data_dir
    for name in missing:
        logger.warning("%s of this installation is missing: %s", home / name, _MEANS[name])
    fact = GatewayFoldersMissing(gateway_id=house.run_id, folders=missing)
    await house.deciding.note(streams.GATEWAY, [fact], cause)
    await asyncio.to_thread(mark_all, home, house.log.log_id)
