"""A follower whose process is killed at work: no event is lost, none is taken twice."""

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

EVENTS = 4_000
KILLS = 10
FOLLOWER = """
import asyncio, sqlite3, sys
from pathlib import Path
from codara.events.store.feeder import Feeder
from codara.events.store.follower import Batches
from codara.events.store.log import EventLog
from codara.events.store import follower
from tests.fakes.keyring import FakeKeyRing

class Copying:
    name = "copying"

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("CREATE TABLE IF NOT EXISTS seen (position INTEGER)")
        self.db.execute("CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, at INTEGER)")
        self.db.execute("INSERT OR IGNORE INTO progress VALUES (1, 0)")

    @property
    def position(self):
        return self.db.execute("SELECT at FROM progress").fetchone()[0]

    async def take(self, batch):
        self.db.execute("BEGIN")
        for event in batch:
            self.db.execute("INSERT INTO seen VALUES (?)", (event.position,))
            await asyncio.sleep(0)
        self.db.execute("UPDATE progress SET at = ?", (batch[-1].position,))
        self.db.execute("COMMIT")

async def main(folder):
    follower.BATCH = 20
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    copying = Copying(folder / "copy.db")
    feeder = Feeder(copying, log, Batches(log).read)
    feeder.start()
    while copying.position < log.head():
        print(copying.position, flush=True)
        await asyncio.sleep(0)
    print("done", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1])))
"""


async def write_history(folder: Path) -> int:
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    resets = [event_examples.session_reset()] * EVENTS
    head = await log.append([Append(streams.session("ses_1"), 0, resets)], event_examples.CAUSE)
    await log.close()
    return head


async def follow_until_killed(folder: Path, lines: int | None) -> bool:
    """Starts a process that follows, kills it after so many words of it; True if it was done."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOLLOWER, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = b""
    while said != b"done\n" and lines != 0:
        said = await process.stdout.readline()
        assert said, "it died by itself"
        lines = None if lines is None else lines - 1
    process.kill()
    await process.communicate()
    return said == b"done\n"


async def test_everything_is_taken_once_however_often_the_process_is_killed(tmp_path: Path) -> None:
    head = await write_history(tmp_path)
    chance = random.Random(7)
    finished = [await follow_until_killed(tmp_path, chance.randrange(1, 600)) for _ in range(KILLS)]
    assert not all(finished)
    assert await follow_until_killed(tmp_path, None)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as db:
        seen = [row[0] for row in db.execute("SELECT position FROM seen ORDER BY rowid")]
    assert seen == list(range(1, head + 1))
