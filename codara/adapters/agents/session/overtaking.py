"""Overtaking: an agent that sleeps out a refusal is stopped if another account may ask now."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from codara.adapters.agents.session.watch import Watch
from codara.application.ports.agents import AgentTurn

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""An agent that gives up by itself does so within this time; it knows best how it ended."""
PAUSE_SECONDS = 5.0
"""How often another account is looked for while the agent sleeps."""


class Refusable(Protocol):
    """A turn whose account the provider may refuse."""

    @property
    def refused(self) -> asyncio.Event:
        """Set when the provider has refused the account."""

    def refusal(self) -> str:
        """Returns the cause of the refusal for which the agent waits; empty if it does not."""


@asynccontextmanager
async def overtaking(turn: AgentTurn, current: Refusable, watch: Watch) -> AsyncIterator[None]:
    """Ends the watch, with the cause of the refusal, once the turn had better go elsewhere."""
    task = asyncio.create_task(_look_elsewhere(turn, current, watch))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (defect := task.exception()):
            log.error("no other account could be looked for", exc_info=defect)


async def _look_elsewhere(turn: AgentTurn, current: Refusable, watch: Watch) -> None:
    while True:
        await current.refused.wait()
        current.refused.clear()
        await asyncio.sleep(GRACE_SECONDS)
        while cause := current.refusal():
            if await turn.elsewhere():
                watch.give_up(cause)
                return
            await asyncio.sleep(PAUSE_SECONDS)
