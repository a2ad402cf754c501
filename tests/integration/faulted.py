"""Plays a scene on a faulty disk, once for each fault, and says what became of what it was told.

    LD_PRELOAD=… python -m tests.integration.faulted SCENE FOLDER   < faults, as JSON

Each fault meets a process of its own, a fork of this one, which never opens a log. Another one
then opens what is left, on a disk that is well. Prints a line of JSON for each fault: how many
calls were counted, whether the process was stopped, and what is wrong, if anything is.
"""

import asyncio
import ctypes
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from codara.application.deciding import Deciding
from codara.domain.aggregates import of_stream
from codara.errors import CodaraError
from codara.events.base import Append, PayloadRef
from codara.events.session import TurnCompleted
from codara.events.store import datastore, payloads, writer
from codara.events.store import log as store_log
from codara.events.store.log import EventLog
from tests import event_examples
from tests.fakes.keyring import FakeKeyRing
from tests.log_checks import folds_strictly
from tests.turn_setup import close_house, open_house

COUNT, FAIL_ONCE, FAIL_AWHILE, STOP, POWER_CUT = range(5)
STOPPED = 42
SECONDS = 60
PART_BYTES = 8_000
"""So that a payload of two parts is a matter of few pages."""
CHECKPOINT_PAGES = 20
"""So that a log of a few dozen events is copied from its write-ahead log again and again."""
CAUSE = event_examples.CAUSE
ACKNOWLEDGED = "acknowledged"
SAID = "said"

Acknowledge = Callable[[str, Any], None]


async def log_scene(folder: Path, acknowledge: Acknowledge) -> None:
    """Opens a log twice and appends alone, at once, and with payloads, one of them in two parts."""
    for opening in range(2):
        try:
            log = await EventLog.open(folder / "events.db", FakeKeyRing())
        except CodaraError:
            continue
        try:
            await an_append(log, f"{opening}.alone", acknowledge)
            at_once = (an_append(log, f"{opening}.{number}", acknowledge) for number in range(4))
            await asyncio.gather(*at_once)
            await an_append(log, f"{opening}.small", acknowledge, size=2_000)
            if opening:
                await an_append(log, f"{opening}.large", acknowledge, size=PART_BYTES + 1_000)
        finally:
            await log.close()


async def careless_scene(folder: Path, acknowledge: Acknowledge) -> None:
    """The same with a log that acknowledges what was not synced: the disk has to show it."""
    with_every_connection("PRAGMA synchronous = OFF")
    await log_scene(folder, acknowledge)


async def an_append(log: EventLog, name: str, acknowledge: Acknowledge, size: int = 0) -> None:
    """Appends to two streams, so that half of it could be missing."""
    fact = event_examples.turn_started(turn_id=name)
    with suppress(CodaraError):
        beside, other = [], fact
        if size:
            payload = await log.seal(event_examples.USER, content(name, size))
            other = attrs.evolve(event_examples.diff_recorded(), files_payload=payload.ref)
            beside = [payload]
        appends = [Append(f"session/a{name}", 0, [fact]), Append(f"session/b{name}", 0, [other])]
        acknowledge(name, await log.append(appends, CAUSE, beside))


def content(name: str, size: int) -> bytes:
    """Returns bytes that compress to about themselves, the same in each process."""
    return random.Random(name).randbytes(size)


async def log_check(folder: Path, acknowledged: dict[str, Any]) -> list[str]:
    """Returns what a log lacks of what was acknowledged, or has by half."""
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    try:
        found: dict[str, set[str]] = defaultdict(set)
        read = await log.read(0, limit=100_000)
        for each in read:
            if each.stream.startswith("session/"):
                found[each.stream[9:]].add(each.stream[8])
            ref = getattr(each.event, "files_payload", None)
            if isinstance(ref, PayloadRef):
                await log.open_payload(ref)
        wrong = [f"half of {name}" for name, halves in found.items() if len(halves) != 2]
        wrong += [f"{name} is lost" for name in acknowledged if name not in found]
        if [each.position for each in read] != list(range(1, log.head() + 1)):
            wrong.append("positions have a gap")
        await log.append([Append("session/new", 0, [event_examples.turn_started()])], CAUSE)
        return wrong
    finally:
        await log.close()


async def turn_scene(folder: Path, acknowledge: Acknowledge) -> None:
    """Runs two turns, each from its request to its answer."""
    with suppress(CodaraError):
        house = await open_house(folder)
        try:
            for number in range(2):
                result = await house.ask(f"question {number}")
                acknowledge(result.turn_id, result.text)
        finally:
            await close_house(house)


async def turn_check(folder: Path, acknowledged: dict[str, Any]) -> list[str]:
    """Returns which acknowledged turns lack their end; nothing in the log may be out of order."""
    log = await EventLog.open(folder / "events.db", FakeKeyRing())
    try:
        await folds_strictly(log, Deciding(log, of_stream))
        events = [each.event for each in await log.read(0, limit=100_000)]
        ended = {event.turn_id for event in events if isinstance(event, TurnCompleted)}
        return [f"{turn_id} is lost" for turn_id in acknowledged if turn_id not in ended]
    finally:
        await log.close()


Scene = Callable[[Path, Acknowledge], Awaitable[None]]
Check = Callable[[Path, dict[str, Any]], Awaitable[list[str]]]
SCENES: dict[str, tuple[Scene, Check]] = {
    "log": (log_scene, log_check),
    "careless log": (careless_scene, log_check),
    "turn": (turn_scene, turn_check),
}


def main(scene: str, folder: Path) -> None:
    disk = ctypes.CDLL(None)
    disk.faulty_disk_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_uint]
    disk.faulty_disk_count.restype = ctypes.c_long
    play, check = SCENES[scene]
    for number, fault in enumerate(json.load(sys.stdin)):
        own = folder / str(number)
        own.mkdir()
        ended = forked(lambda own=own, fault=fault: faulted(disk, play, own, fault))
        wrong = [] if ended in (0, STOPPED) else [f"the process ended with {ended}"]
        if forked(lambda own=own: checked(check, own)):
            wrong.append((own / SAID).read_text())
        print(json.dumps({"calls": calls(own), "stopped": ended == STOPPED, "wrong": wrong}))
        if not wrong:
            shutil.rmtree(own)


def forked(work: Callable[[], int]) -> int:
    """Runs the work in a process of its own; returns how that ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def faulted(disk: ctypes.CDLL, play: Scene, folder: Path, fault: list[int]) -> int:
    writer.REOPEN_SECONDS = 0.01
    payloads.PART_BYTES = store_log.PART_BYTES = PART_BYTES
    with_every_connection(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    disk.faulty_disk_arm(os.fsencode(os.path.realpath(folder / "events.db")), *fault)
    said = os.open(folder / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT)

    def acknowledge(name: str, value: Any) -> None:
        os.write(said, json.dumps([name, value]).encode() + b"\n")

    asyncio.run(play(folder, acknowledge))
    (folder / "calls").write_text(str(disk.faulty_disk_count()))
    return 0


def checked(check: Check, folder: Path) -> int:
    lines = (folder / ACKNOWLEDGED).read_text().splitlines()
    try:
        wrong = asyncio.run(check(folder, dict(json.loads(line) for line in lines)))
    except Exception as error:
        wrong = [repr(error)]
    (folder / SAID).write_text("; ".join(wrong))
    return 1 if wrong else 0


def calls(folder: Path) -> int:
    told = folder / "calls"
    return int(told.read_text()) if told.exists() else 0


def with_every_connection(statement: str) -> None:
    """Has each connection for writing begin with the statement."""
    connect = datastore.LogConnections.connect

    def connected(self: datastore.LogConnections) -> sqlite3.Connection:
        connection = connect(self)
        connection.execute(statement).fetchall()
        return connection

    datastore.LogConnections.connect = connected  # type: ignore[method-assign]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
