"""The noter: how far the log has come is kept in the vault, seldom and whatever fails."""

import asyncio
import logging
from collections.abc import Sequence

import attrs
import pytest

from codara.adapters.installation.noting import Noter
from codara.errors import ShuttingDown, StorageFull
from codara.events.base import Event
from codara.events.gateway import LogVaultNoted
from codara.events.store.seen import SeenEvent


@attrs.define
class NumberedLog:
    """A log of which nothing but the last position is known."""

    log_id: str = "log_1"
    head: int = 1
    closed: bool = False
    moved: asyncio.Event = attrs.field(factory=asyncio.Event)

    def newest(self) -> SeenEvent:
        return SeenEvent(self.head, bytes([self.head]))

    async def wait_past(self, position: int) -> None:
        while self.head <= position:
            if self.closed:
                raise ShuttingDown("the log is closed")
            self.moved.clear()
            await self.moved.wait()

    def move(self, number: int = 1) -> None:
        self.head += number
        self.moved.set()

    def close(self) -> None:
        self.closed = True
        self.moved.set()

    async def append(self, stream: str, events: Sequence[Event], /) -> None:
        assert stream == "log"
        self.appended.extend(events)
        self.head += 1

    appended: list[Event] = attrs.field(factory=list)


@attrs.define
class NotedVault:
    """Remembers each note; fails while it is `full`."""

    number: int = 0
    full: bool = False
    notes: list[int] = attrs.field(factory=list)
    noted: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def changes(self) -> int:
        if self.full:
            raise StorageFull("keys.db takes no writes; make room on its disk")
        return self.number

    async def note(self, log_id: str, seen: SeenEvent, /) -> None:
        assert log_id == "log_1"
        self.notes.append(seen.position)
        self.noted.set()


def noter(log: NumberedLog, vault: NotedVault, pause: float = 3600.0) -> Noter:
    return Noter(log, vault, log.append, seen=None, changes=0, pause=pause)


async def test_a_hundred_appends_are_one_note_and_one_more_at_the_stop() -> None:
    log, vault = NumberedLog(), NotedVault()
    noting = noter(log, vault)
    await noting.begin()
    vault.noted.clear()
    for _ in range(100):
        log.move()
    await vault.noted.wait()
    log.move()
    await noting.close()
    assert vault.notes == [1, 101, 102]


async def test_nothing_is_noted_before_it_has_begun_not_even_at_the_stop() -> None:
    log, vault = NumberedLog(), NotedVault()
    noting = noter(log, vault)
    log.move()
    await noting.close()
    assert vault.notes == []


async def test_what_is_known_already_is_not_noted_again() -> None:
    log, vault = NumberedLog(), NotedVault()
    noting = Noter(log, vault, log.append, seen=log.newest(), changes=0)
    await noting.begin()
    await noting.close()
    assert vault.notes == []


async def test_a_changed_vault_is_recorded_before_the_position_is_noted() -> None:
    log, vault = NumberedLog(), NotedVault(number=3)
    noting = noter(log, vault)
    await noting.begin()
    assert log.appended == [LogVaultNoted(changes=3)]
    assert vault.notes == [2]
    await noting.close()
    assert log.appended == [LogVaultNoted(changes=3)]


async def test_a_full_disk_is_told_once_and_noted_when_it_has_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, vault = NumberedLog(), NotedVault(full=True)
    noting = noter(log, vault)
    with caplog.at_level(logging.WARNING):
        await noting.begin()
        await noting.note_now()
    assert [record.getMessage() for record in caplog.records] == [
        "the vault does not hear how far the log has come: keys.db takes no writes; make room on"
        " its disk"
    ]
    vault.full = False
    await noting.close()
    assert vault.notes == [1]


async def test_it_ends_with_the_log() -> None:
    log, vault = NumberedLog(), NotedVault()
    noting = noter(log, vault, pause=0.0)
    await noting.begin()
    log.close()
    assert noting._task is not None
    await noting._task
    await noting.close()
