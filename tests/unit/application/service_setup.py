"""A real log in a temporary folder, and deciding on it: what services are tested on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from codara.application.deciding import Deciding
from codara.domain.aggregates import of_stream
from codara.events.account import AccountRegistered
from codara.events.key import KeyIssued
from codara.events.store.log import EventLog
from tests.fakes.clock import FixedClock
from tests.fakes.ids import CountingIds
from tests.fakes.keyring import FakeKeyRing


@attrs.frozen
class Logged:
    log: EventLog
    deciding: Deciding
    keys: FakeKeyRing
    clock: FixedClock
    new_id: CountingIds

    async def names(self) -> list[str]:
        """The names of all events, in order."""
        return [recorded.event.name for recorded in await self.log.read(0)]

    async def events(self, kind):
        """All events of a class, in order."""
        found = [recorded.event for recorded in await self.log.read(0)]
        return [event for event in found if isinstance(event, kind)]

    async def key_stream(self, key_id: str) -> str | None:
        """Satisfies `KeyStreams`, from the log itself."""
        for recorded in await self.log.read(0):
            if isinstance(recorded.event, KeyIssued) and recorded.event.key_id == key_id:
                return recorded.stream
        return None

    async def of_provider(self, provider: str) -> list[AccountRegistered]:
        """Satisfies `AccountStandings` as far as ids go, from the log itself."""
        return [each for each in await self.events(AccountRegistered) if each.provider == provider]


@asynccontextmanager
async def logged(folder: Path, keys: FakeKeyRing, clock: FixedClock) -> AsyncIterator[Logged]:
    log = await EventLog.open(folder / "events.db", keys, clock=clock)
    try:
        yield Logged(log, Deciding(log, of_stream), keys, clock, CountingIds())
    finally:
        await log.close()
