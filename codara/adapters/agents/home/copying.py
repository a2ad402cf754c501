"""Copies of threads for turns that have processes of their own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from codara.adapters.agents.session.answers import ODD, AgentRefused, Gone
from codara.adapters.agents.session.watch import to_the_end
from codara.application.ports.agents import AgentTurn, Fork
from codara.clock import Clock
from codara.errors import AgentFailed

log = logging.getLogger(__name__)

COPY_SECONDS = 60.0
"""How long a process that is to copy a thread may take, with its start."""

Copy = Callable[[AgentTurn], Awaitable[str | None]]
"""Makes the copy for a turn with a `fork`; None where the thread cannot be copied."""


class Copying(Protocol):
    """A session of a process that stays, which can copy a thread."""

    async def copy(self, turn: AgentTurn, fork: Fork) -> str | None:
        """Returns the copy's id; None if the agent has lost the thread or its point."""

    async def close(self) -> None: ...


Opening = Callable[[AgentTurn], Awaitable[Copying]]


async def copied_by(opening: Opening, clock: Clock, turn: AgentTurn) -> str | None:
    """Returns the copy for a turn with a `fork`, by a process that stays for no longer than that.

    None where it makes none, or does not start: where it never does, turns have processes of their
    own. Cancelled, it leaves nothing running.
    """
    if turn.fork is None:
        return None
    left = (turn.until - clock()).total_seconds()
    try:
        async with asyncio.timeout(min(left, COPY_SECONDS)):
            session = await opening(turn)
            try:
                return await session.copy(turn, turn.fork)
            finally:
                await to_the_end(session.close())
    except (AgentFailed, AgentRefused, Gone, TimeoutError, *ODD) as error:
        log.info("no thread of %s was copied: %r", turn.provider, error)
        return None
