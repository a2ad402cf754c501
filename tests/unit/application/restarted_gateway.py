"""Many chats at one gateway, which is stopped, killed and started again over the same log."""

import asyncio
from contextlib import suppress
from pathlib import Path

import attrs
from remembering_agent import Threads

from codara.application.ports.agents import Image
from codara.application.recovery import Recovery
from codara.application.sessions import Sessions
from codara.application.turns.finding import Finder
from codara.application.turns.submit import Turns
from codara.errors import SessionBusy
from codara.events.store.log import EventLog
from codara.projections.engine.base import Projection
from codara.projections.engine.queries import Reader
from codara.projections.engine.store import Store
from codara.projections.points import PointQueries, PointsProjection
from codara.projections.unfinished import UnfinishedProjection, UnfinishedQueries
from tests import event_examples
from tests.fakes.agents import FakeAgents
from tests.fakes.spool import FakeSpool
from tests.fakes.sweeper import FakeSweeper
from tests.fakes.workspaces import FakeWorkspaces
from tests.turn_setup import LIMITS, House, open_house

PROJECTIONS: tuple[Projection, ...] = (PointsProjection(), UnfinishedProjection())


@attrs.define
class HeldModels:
    """The read models that chats are found by; they follow the log when they are told to."""

    log: EventLog
    stores: list[Store]
    readers: list[Reader]

    @classmethod
    async def open(cls, folder: Path, log: EventLog) -> "HeldModels":
        """Those of the last time, or new ones."""
        stores = [_store(each, folder / f"{each.name}.db", log.log_id) for each in PROJECTIONS]
        return cls(log, stores, [await Reader.open(store.path) for store in stores])

    def position(self) -> int:
        return min(store.position for store in self.stores)

    async def fold(self, until: int | None = None) -> None:
        """Follows the log, up to its head if nothing else is said."""
        last = self.log.head() if until is None else until
        for store in self.stores:
            while store.position < last:
                batch = await self.log.read(store.position, until=last, sealed=True)
                store.fold(store.position, batch)

    async def wait_for(self, position: int, seconds: float) -> bool:
        await self.fold()
        return True

    async def close(self) -> None:
        for reader in self.readers:
            await reader.close()
        for store in self.stores:
            store.close()


def _store(projection: Projection, path: Path, log_id: str) -> Store:
    if path.exists():
        return Store.open(projection, path)
    return Store.create(projection, path, log_id, fast=True)


@attrs.define
class Gateway:
    """A house that goes on over its log, and an agent whose threads outlive it."""

    folder: Path
    agent: Threads = attrs.field(factory=Threads)
    forking: bool = True
    agents: FakeAgents = attrs.field(factory=FakeAgents)
    workspaces: FakeWorkspaces = attrs.field(factory=FakeWorkspaces)
    spool: FakeSpool = attrs.field(factory=FakeSpool)
    house: House = attrs.field(init=False)
    models: HeldModels = attrs.field(init=False)
    lives: int = 0

    async def open(self) -> "Gateway":
        """Starts as a gateway does: the read models catch up, what is open is ended."""
        self.lives += 1
        self.agents.script, self.agents.forking = self.agent, self.forking
        house = self.house = await open_house(
            self.folder,
            attrs.evolve(LIMITS, queue_limit=200, account_slots=20),
            agents=self.agents,
            workspaces=self.workspaces,
            spool=self.spool,
        )
        self.models = await HeldModels.open(self.folder / "views", house.log)
        await self.models.fold()
        points = PointQueries(self.models.readers[0], house.clock)
        finder = Finder(points, self.models, house.clock)
        house.context = attrs.evolve(house.context, finder=finder, feed=self.models)
        house.turns = Turns(house.context, house.turns._workspaces)
        recovery = Recovery(
            context=house.context,
            unfinished=UnfinishedQueries(self.models.readers[1]),
            sweeper=FakeSweeper(),
            gateway_id=f"gtw_{self.lives}",
        )
        await recovery.run()
        return self

    async def die(self) -> None:
        """Its tasks are simply no more."""
        carriers = list(self.house.turns.running._carriers)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        await self._close()

    async def stop(self) -> None:
        """Ends what runs, and closes."""
        await self.house.turns.close(0.0)
        await self._close()

    async def _close(self) -> None:
        await self.models.close()
        await self.house.log.close()

    async def start_again(self, *, killed: bool = False, without_views: bool = False) -> None:
        """The next gateway over the same log, with or without the read models of this one."""
        now = self.house.clock.now
        await (self.die() if killed else self.stop())
        if without_views:
            for file in (self.folder / "views").iterdir():
                file.unlink()
        await self.open()
        self.house.clock.now = now

    async def reset(self, session_id: str) -> None:
        """The session begins a fresh thread, as far as it is idle."""
        context = self.house.context
        sessions = Sessions(deciding=context.deciding, finder=context.finder)
        with suppress(SessionBusy):
            await sessions.reset(session_id, None, event_examples.CAUSE)


def picture(name: str) -> Image:
    """A picture that shows its name."""
    return Image("image/png", b"\x89PNG\r\n\x1a\n" + name.encode())
