"""Asides: what chat programs ask beside a chat runs in a place that is empty before and after."""

import asyncio
import logging

from codara.application.turns.context import Context

logger = logging.getLogger(__name__)

_SECONDS = 30.0


async def leave_nothing(context: Context, workspace_id: str) -> None:
    """Ends the agents of a place for asides and empties their homes.

    Failing is logged and no trouble of the turn: the next aside there tries again before it begins.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            await context.agents.empty_home(workspace_id)
    except Exception:
        logger.exception("the homes of %s could not be emptied", workspace_id)
