"""Versions of the agents' programs: those nobody has tried are run all the same, with a warning."""

import asyncio
import logging
import re

from codara.adapters.agents.contract import Installed
from codara.errors import AgentFailed

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"\d+(?:\.\d+)+")


def is_tested(said: str, tested: str) -> bool:
    """Whether a program's word on its version begins as the tested ones do: `2.1` is `2.1.7`."""
    found = _NUMBER.search(said)
    return found is not None and f"{found[0]}.".startswith(f"{tested}.")


def untested(said: str, tested: str) -> str:
    """Returns what to say of it."""
    return f"version {said} was never tried (known: {tested})"


class Versions:
    """Looks once at each runtime's version, beside the turns; its maker calls `close`."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._looking: set[asyncio.Task[None]] = set()

    def look(self, runtime: object) -> None:
        """Warns in the log if the runtime's program is of a version nobody has tried."""
        if not isinstance(runtime, Installed) or runtime.name in self._seen:
            return
        self._seen.add(runtime.name)
        task = asyncio.get_running_loop().create_task(_look(runtime))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def close(self) -> None:
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)


async def _look(runtime: Installed) -> None:
    try:
        said = await runtime.version()
    except AgentFailed as silent:
        log.warning("%s does not tell its version: %s", runtime.name, silent.message)
        return
    if not is_tested(said, runtime.tested):
        log.warning("%s: %s", runtime.name, untested(said, runtime.tested))
