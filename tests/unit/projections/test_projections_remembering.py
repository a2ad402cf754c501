"""Read models that answer from memory remember behind what was folded."""

import asyncio
import sqlite3

import pytest

from codara.projections.engine.remembering import Memory


class Remembered:
    """Counts how often it remembered; it waits for `gate`, and fails with `trouble`."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble = trouble

    async def remember(self) -> None:
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.times += 1


async def test_every_read_model_remembers_behind_what_was_folded() -> None:
    first, second = Remembered(), Remembered()
    memory = Memory((first, second))
    memory.refresh()
    await memory.close()
    assert (first.times, second.times) == (1, 1)


async def test_one_that_cannot_be_read_is_reported_and_the_next_one_remembers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, well = Remembered(sqlite3.OperationalError("disk I/O error")), Remembered()
    memory = Memory((broken, well))
    memory.refresh()
    await memory.close()
    assert well.times == 1
    assert caplog.messages == ["Remembered has nothing in memory: disk I/O error"]


async def test_what_is_folded_meanwhile_begins_nothing_beside_what_is_under_way() -> None:
    slow = Remembered()
    slow.gate.clear()
    memory = Memory((slow,))
    memory.refresh()
    memory.refresh()
    closing = asyncio.create_task(memory.close())
    await asyncio.sleep(0)
    assert not closing.done()
    slow.gate.set()
    await closing
    assert slow.times == 1
    memory.refresh()
    await memory.close()
    assert slow.times == 2
