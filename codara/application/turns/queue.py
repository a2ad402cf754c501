"""Waiting for a turn's place: in memory, first come first served, holding nothing of the log."""

import asyncio

from codara.application.turns.locks import NamedLocks
from codara.errors import Overloaded, WorkspaceBusy


class Queue:
    """One turn a workspace at a time, and as many as `max_concurrency` in all."""

    def __init__(self, max_concurrency: int) -> None:
        self._places = asyncio.Semaphore(max_concurrency)
        self._workspaces = NamedLocks()
        self._returned = asyncio.Event()

    async def enter(self, workspace_id: str, until: float) -> None:
        """Takes the workspace and one of the places; `leave` gives both back.

        WorkspaceBusy or Overloaded if that takes longer than `until` (the event loop's time).
        Refused or cancelled, it holds nothing.
        """
        if self.has_room(workspace_id):
            await self._workspaces.acquire(workspace_id)
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout_at(until):
                await self._workspaces.acquire(workspace_id)
        except TimeoutError:
            raise _workspace_busy(workspace_id) from None
        try:
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        except TimeoutError:
            self._workspaces.release(workspace_id)
            raise _no_place() from None
        except BaseException:
            self._workspaces.release(workspace_id)
            raise

    def has_room(self, workspace_id: str) -> bool:
        """Whether `enter` would take the place at once, without waiting."""
        return not (self._workspaces.locked(workspace_id) or self._places.locked())

    def leave(self, workspace_id: str) -> None:
        """Gives the place and the workspace to whoever waits for them."""
        self._places.release()
        self._workspaces.release(workspace_id)
        self.returned()

    def returned(self) -> None:
        """Something that turns wait for has been given back: they look again."""
        self._returned.set()
        self._returned = asyncio.Event()

    async def something_returns(self, until: float) -> bool:
        """Waits until some turn has given back what it had; False once `until` has come."""
        try:
            async with asyncio.timeout_at(until):
                await self._returned.wait()
        except TimeoutError:
            return False
        return True


def _workspace_busy(workspace_id: str) -> WorkspaceBusy:
    return WorkspaceBusy(
        f"Workspace {workspace_id} is held by another session's task, and stayed so until the "
        "queue's time-out. Wait for that task to end, or use another workspace.",
        retry_safe=False,
    )


def _no_place() -> Overloaded:
    return Overloaded(
        "The gateway runs as many tasks as it may. Try again shortly.", retry_after=1.0
    )
