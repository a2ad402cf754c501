"""A writer to be killed: appends for ever, and prints every append that was acknowledged."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from codara.events.base import Append
from codara.events.store.log import EventLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing


async def caller(log: EventLog, stream: str) -> None:
    loaded = await log.load(stream)
    for version in itertools.count(len(loaded)):
        appends = [
            Append(stream, version, [event_examples.turn_requested(turn_id=f"trn_{version}")]),
            Append(f"{stream}-{version}", 0, [event_examples.lease_taken()]),
        ]
        position = await log.append(appends, event_examples.CAUSE)
        os.write(1, f"{stream} {version + 1} {position}\n".encode())


async def main(file: Path) -> None:
    log = await EventLog.open(file, FakeKeyRing())
    await asyncio.gather(*(caller(log, f"session/{number}") for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
