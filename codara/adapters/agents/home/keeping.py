"""Keeping homes: how much they hold, and getting rid of threads and whole homes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, TypeGuard

from codara.adapters.agents.contract import AgentSession
from codara.adapters.agents.home.measuring import measured
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.session.answers import ODD, AgentRefused, Gone
from codara.adapters.agents.session.staying import Staying
from codara.adapters.agents.session.transport import Transport
from codara.adapters.agents.session.watch import to_the_end
from codara.adapters.agents.visits import errand
from codara.application.ports.agents import AgentTurn
from codara.config.providers import Provider
from codara.errors import AgentFailed

FORGET_SECONDS = 60.0
"""How long an agent may take to forget threads, besides a second for each."""


class Keeper(ABC):
    """What `contract.Keeping` asks for, of a runtime with a real CLI."""

    name: ClassVar[str]
    forgets_by_agent: ClassVar[bool] = False
    _house: RuntimeContext
    _settings: Provider
    _transport: Transport

    async def clear(self, workspace_id: str) -> None:
        """See `contract.Keeping`; the homes of other runtimes go as well, configured or not."""
        await to_the_end(asyncio.to_thread(self._house.homes.remove, workspace_id))
        self._transport.forget(workspace_id)

    async def home_bytes(self, workspace_id: str) -> int:
        """See `contract.Keeping`."""
        return await asyncio.to_thread(measured, self._place(workspace_id))

    async def forget(
        self, workspace_id: str, backend_ids: Sequence[str], session: AgentSession | None
    ) -> None:
        """See `contract.Keeping`."""
        is_there = await asyncio.to_thread(self._place(workspace_id).is_dir)
        if backend_ids and is_there:
            await self._forget(workspace_id, list(dict.fromkeys(backend_ids)), session)

    @abstractmethod
    async def _forget(
        self, workspace_id: str, backend_ids: Sequence[str], session: AgentSession | None
    ) -> None:
        """Forgets threads of a home that is there."""

    def _place(self, workspace_id: str) -> Path:
        return self._house.homes.place(workspace_id, self.name)


class FileKeeper(Keeper):
    """One whose threads are files, and nothing else: the gateway removes them itself."""

    async def _forget(
        self, workspace_id: str, backend_ids: Sequence[str], session: AgentSession | None
    ) -> None:
        """An agent that has one of the threads in memory is ended first: it would go on in it."""
        if isinstance(session, Staying) and session.remembers(backend_ids):
            await to_the_end(session.close())
        home = self._place(workspace_id)
        await to_the_end(asyncio.to_thread(self._remove, home, frozenset(backend_ids)))

    @abstractmethod
    def _remove(self, home: Path, backend_ids: Collection[str]) -> None:
        """Removes all files of these threads. Blocks."""


class Forgetful(AgentSession, Protocol):
    """An agent that stays and can be told to forget."""

    async def forget(self, backend_ids: Sequence[str]) -> None:
        """Has the agent remove threads and everything of them; Refused or Gone if it does not."""


class AgentKeeper(Keeper):
    """One whose threads only the CLI itself can remove, as they are in a database of its own."""

    forgets_by_agent = True

    async def _forget(
        self, workspace_id: str, backend_ids: Sequence[str], session: AgentSession | None
    ) -> None:
        if _is_forgetful(session) and not session.ended.done():
            await self._has_forgotten(session, backend_ids)
        else:
            await self._forgets_on_an_errand(workspace_id, backend_ids)
        home = self._place(workspace_id)
        await to_the_end(asyncio.to_thread(self._clear, home, frozenset(backend_ids)))

    async def _forgets_on_an_errand(self, workspace_id: str, backend_ids: Sequence[str]) -> None:
        model = self._settings.default_model
        async with errand(self._house, self.name, workspace_id, model) as turn:
            opened = await self._staying(turn)
            try:
                await self._has_forgotten(opened, backend_ids)
            finally:
                await to_the_end(opened.close())

    def _clear(self, home: Path, backend_ids: frozenset[str]) -> None:
        """Removes what the CLI itself leaves behind of these threads. Blocks."""

    async def _has_forgotten(self, session: Forgetful, backend_ids: Sequence[str]) -> None:
        """One that does not do it is ended: nobody knows what it still does."""
        try:
            async with asyncio.timeout(FORGET_SECONDS + len(backend_ids)):
                await session.forget(backend_ids)
        except (AgentRefused, Gone, TimeoutError, *ODD) as error:
            await to_the_end(session.close())
            raise AgentFailed(f"{self.name} does not forget its threads: {error!r}") from error
        except BaseException:
            await to_the_end(session.close())
            raise

    @abstractmethod
    async def _staying(self, turn: AgentTurn) -> Forgetful:
        """A session whose process stays; AgentFailed if it does not start."""


def _is_forgetful(session: AgentSession | None) -> TypeGuard[Forgetful]:
    return isinstance(session, Staying) and hasattr(session, "forget")
