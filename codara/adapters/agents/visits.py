"""Visits to an agent that are no turns: in a folder and a home of their own, on no account."""

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.session.watch import to_the_end
from codara.application.ports.agents import AgentTurn
from codara.errors import AgentFailed

VISIT, ERRAND = "visit", "errand"
"""The workspace of a visit, as jails and homes name it; no user has one of that id."""
MODEL = "none"
_FOLDER = "workspace"
_TIME = timedelta(minutes=5)


@asynccontextmanager
async def visiting(
    house: RuntimeContext, runtime: str, model: str | None, aim: str = ""
) -> AsyncIterator[AgentTurn]:
    """A turn that is never run, for a session to be opened with; its places go with the visit.

    There is one visit at a time to a runtime with the same `aim`. AgentFailed where its places
    cannot be made.
    """
    workspace_id = f"{VISIT}_{runtime}{aim and '_'}{aim}"
    homes = house.homes
    try:
        folder = await to_thread(_fresh, homes, workspace_id)
        yield _turn(house, runtime, workspace_id, folder, model)
    finally:
        await to_the_end(to_thread(homes.remove, workspace_id))


@asynccontextmanager
async def errand(
    house: RuntimeContext, runtime: str, workspace_id: str, model: str | None
) -> AsyncIterator[AgentTurn]:
    """The same, but in the home of a workspace: for what only an agent in it can do.

    Its folder is not the workspace's own, which stays out of it, and lies beside the home.
    """
    try:
        folder = await to_thread(_emptied, house.homes, workspace_id, f"{ERRAND}-{runtime}")
        yield _turn(house, runtime, workspace_id, folder, model)
    finally:
        await to_the_end(to_thread(house.homes.remove_one, workspace_id, f"{ERRAND}-{runtime}"))


def _turn(
    house: RuntimeContext, runtime: str, workspace_id: str, folder: Path, model: str | None
) -> AgentTurn:
    return AgentTurn(
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


def _emptied(homes: Homes, workspace_id: str, name: str) -> Path:
    homes.remove_one(workspace_id, name)
    return _made(homes, workspace_id, name)


def _fresh(homes: Homes, workspace_id: str) -> Path:
    homes.remove(workspace_id)
    return _made(homes, workspace_id, _FOLDER)


def _made(homes: Homes, workspace_id: str, name: str) -> Path:
    try:
        return homes.ensure(workspace_id, name)
    except OSError as error:
        raise AgentFailed(f"nothing can be written below the homes: {error}") from error
