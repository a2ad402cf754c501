"""Visits to an agent that are no turns: in a folder and a home of their own, on no account."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from codara.adapters.agents.homes import Homes
from codara.adapters.agents.house import House
from codara.adapters.agents.watch import to_the_end
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

VISIT = "visit"
"""The workspace of a visit, as jails and homes name it; no user has one of that id."""
MODEL = "none"
_FOLDER = "workspace"
_TIME = timedelta(minutes=5)


@asynccontextmanager
async def visiting(house: House, runtime: str, model: str | None) -> AsyncIterator[AgentTurn]:
    """A turn that is never run, for a session to be opened with; its places go with the visit.

    AgentFailed where they cannot be made.
    """
    workspace_id = f"{VISIT}_{runtime}"
    homes = house.homes
    try:
        folder = await to_thread(_fresh, homes, workspace_id)
        yield AgentTurn(
            turn_id=VISIT,
            user_id=VISIT,
            workspace_id=workspace_id,
            folder=folder,
            provider=runtime,
            model=model or MODEL,
            account_id="",
            instructions="",
            prompt="",
            fresh_prompt="",
            backend_id=None,
            read_only=False,
            until=house.clock() + _TIME,
            stall_timeout=0.0,
        )
    finally:
        await to_the_end(to_thread(homes.remove, workspace_id))


def _fresh(homes: Homes, workspace_id: str) -> Path:
    homes.remove(workspace_id)
    try:
        return homes.ensure(workspace_id, _FOLDER)
    except OSError as error:
        raise AgentFailed(f"nothing can be written below the homes: {error}") from error
