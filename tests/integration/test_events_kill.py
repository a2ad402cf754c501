"""A gateway that is killed has lost nothing it ever acknowledged."""

import subprocess
import sys
from pathlib import Path

from codara.events.store.log import EventLog
from tests.fakes.keyring import FakeKeyRing

ROOT = Path(__file__).parents[2]


async def test_every_acknowledged_append_survives_kill_9(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    acknowledged: dict[str, int] = {}
    for acknowledgements in (1, 40, 150, 333, 700):
        for line in lines_until_killed(file, acknowledgements):
            stream, version, _ = line.split()
            acknowledged[stream] = int(version)
        await check(file, acknowledged)


def lines_until_killed(file: Path, acknowledgements: int) -> list[str]:
    """What the writer acknowledged; it is killed once that many lines were read."""
    command = [sys.executable, "-m", "tests.integration.endless_writer", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.kill()
        lines += writer.stdout.readlines()
    return [line.decode() for line in lines if line.endswith(b"\n")]


async def check(file: Path, acknowledged: dict[str, int]) -> None:
    log = await EventLog.open(file, FakeKeyRing())
    try:
        for stream, version in acknowledged.items():
            loaded = await log.load(stream)
            assert [one.version for one in loaded] == list(range(1, len(loaded) + 1))
            assert len(loaded) >= version
            for one in loaded:
                assert await log.last(f"{stream}-{one.version - 1}") is not None
        read = await log.read(0, limit=100_000)
        assert [one.position for one in read] == list(range(1, log.head() + 1))
    finally:
        await log.close()
