"""Whether the agents' programs are there: looked up so rarely that anybody may ask."""

import asyncio
import time
from collections.abc import Sequence

from codara.adapters.agents.contract import Installed, Runtime
from codara.errors import AgentMissing

LOOK_SECONDS = 5.0


class Presence:
    """Remembers for five seconds what it saw, so that a program may come and go."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str]] = {}

    async def models(self, runtime: Runtime | None) -> Sequence[str]:
        """Returns what the runtime lists; AgentMissing with the remedy without its program."""
        if runtime is None:
            return ()
        await self.check(runtime)
        return tuple(runtime.models())

    async def check(self, runtime: Runtime) -> None:
        """Raises AgentMissing with the remedy if the runtime's program is missing."""
        now = time.monotonic()
        looked, missing = self._seen.get(runtime.name, (now - LOOK_SECONDS, ""))
        if now - looked >= LOOK_SECONDS:
            missing = await asyncio.to_thread(_missing, runtime)
            self._seen[runtime.name] = now, missing
        if missing:
            raise AgentMissing(missing)


def _missing(runtime: Runtime) -> str:
    """Why its program cannot be found; "" if it can, or if the runtime has none."""
    if not isinstance(runtime, Installed):
        return ""
    try:
        runtime.program()
    except AgentMissing as missing:
        return missing.message
    return ""
