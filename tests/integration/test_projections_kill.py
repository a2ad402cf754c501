"""Read models whose process is killed while it folds: no event is lost, none counts twice."""

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

from codara.events import streams
from codara.events.base import Append
from codara.events.store.log import EventLog
from codara.projections.engine.store import digest
from codara.projections.views import Views
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing

SESSIONS = 40
TURNS = 15
KILLS = 12
FOLDER = """
import asyncio, sys
from pathlib import Path
from codara.events.store.log import EventLog
from codara.events.store import follower
from codara.projections.views import Views
from tests.fakes.keyring import FakeKeyRing

async def main(folder):
    follower.BATCH = 20
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    views = await Views.open(folder / "views", log)
    starting = asyncio.create_task(views.start())
    while not starting.done():
        print(views.position(), flush=True)
        await asyncio.sleep(0)
    await starting
    print("done", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1])))
"""


async def write_history(folder: Path) -> None:
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    for number in range(SESSIONS):
        await asyncio.gather(
            *(log.queue([append], event_examples.CAUSE) for append in history(number))
        )
    await log.close()


def history(number: int) -> list[Append]:
    session_id = f"ses_{number}"
    events = [event_examples.session_opened(session_id=session_id)]
    for turn in range(TURNS):
        named = {"session_id": session_id, "turn_id": f"trn_{number}_{turn}"}
        events += [
            event_examples.turn_requested(**named, prompt_payload=None),
            event_examples.turn_started(**named),
            event_examples.turn_completed(**named, answer_payload=None),
        ]
    return [Append(streams.session(session_id), 0, events)]


async def fold_until_killed(folder: Path, lines: int) -> bool:
    """Starts a process that folds, kills it after so many words of it; True if it had finished."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOLDER, str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = b""
    for _ in range(lines):
        said = await process.stdout.readline()
        assert said, "it died by itself"
        if said == b"done\n":
            break
    process.kill()
    await process.communicate()
    return said == b"done\n"


async def test_totals_are_exact_however_often_the_process_is_killed(tmp_path: Path) -> None:
    await write_history(tmp_path)
    chance = random.Random(7)
    finished = [await fold_until_killed(tmp_path, chance.randrange(1, 400)) for _ in range(KILLS)]
    assert not finished[0]

    log = await EventLog.open(tmp_path / "events.db", FakeKeyRing())
    killed = await Views.open(tmp_path / "views", log)
    fresh = await Views.open(tmp_path / "fresh", log)
    await killed.start()
    await fresh.start()
    assert killed.position() == fresh.position() == log.head()
    for name, path in killed.files().items():
        assert digest(path) == digest(fresh.files()[name]), name
    with sqlite3.connect(killed.files()["sessions"]) as db:
        assert db.execute("SELECT count(*), sum(turns) FROM sessions").fetchone() == (
            SESSIONS,
            SESSIONS * TURNS,
        )
    db.close()
    await killed.close()
    await fresh.close()
    await log.close()
