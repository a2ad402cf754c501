"""What a serving gateway checks again and again: the disk of its log, and its jail."""

import asyncio
import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from codara.adapters.jail.probe import probe
from codara.application.checking import RepeatedCheck
from codara.config.jail import JailSettings
from codara.config.settings import Settings
from codara.events.store.trouble import ROOM_BYTES, free

DISK_SECONDS = 5.0
JAIL_SECONDS = 30.0
"""A look is a jail that tries to get out: a tenth of a second."""
NO_JAIL = "no jail holds agents here: `codara doctor` tells what is wrong"

logger = logging.getLogger(__name__)


def repeated_checks(settings: Settings) -> list[RepeatedCheck]:
    """Returns what a gateway checks while it serves; with `jail.mode` unsafe there is no jail."""
    disk = partial(asyncio.to_thread, disk_trouble, settings.log_path)
    kept = [RepeatedCheck(what="the disk of the log", look=disk, pause=DISK_SECONDS)]
    if settings.jail.mode != "unsafe":
        jail = partial(jail_trouble, settings.jail)
        kept.append(RepeatedCheck(what="the jail", look=jail, pause=JAIL_SECONDS))
    return kept


def disk_trouble(path: Path) -> Sequence[str]:
    """Returns why the log's file could not be written to now. Touches the disk."""
    if not path.exists():
        return ["the log's file is gone: stop the gateway and restore a backup"]
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return ["the log's file may not be written to"]
    return (
        ["the disk of the log is full: make room on it"] if free(path.parent) < ROOM_BYTES else []
    )


async def jail_trouble(settings: JailSettings) -> Sequence[str]:
    """Returns whether a jail still holds; what exactly is wrong goes to the operator's log."""
    result = await probe(uid=settings.uid)
    wrong = [check.detail or check.name for check in result.checks if not check.ok]
    if not wrong:
        return []
    logger.warning("no jail: %s", "; ".join(wrong))
    return [NO_JAIL]
