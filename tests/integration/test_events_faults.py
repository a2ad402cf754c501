"""At every single thing done to the log's files, the disk fails, or the power goes.

Whatever happens, an append that was acknowledged is there, whole, and nothing is there by half.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.faulted import COUNT, FAIL_AWHILE, FAIL_ONCE, POWER_CUT, STOP

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "programs" / "faulty_disk.c"
SECONDS = 500
SAMPLES = 24
VARYING = 20

Fault = tuple[int, int, int]
"""At which call, what happens, and a seed: which of the unsynced bytes are there (0: none)."""
Suffer = Callable[[str, Sequence[Fault]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: cc")
    library = tmp_path_factory.mktemp("disk") / "faulty_disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True, timeout=60)
    return library


@pytest.fixture
def suffer(disk: Path, tmp_path: Path) -> Suffer:
    """Plays a scene once for each fault; returns what became of each."""

    def play(scene: str, faults: Sequence[Fault]) -> list[dict[str, Any]]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.faulted", scene, str(folder)],
            input=json.dumps(faults),
            env={**os.environ, "LD_PRELOAD": str(disk)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return play


def calls(suffer: Suffer, scene: str) -> int:
    """How often the scene touches the disk if nothing goes wrong."""
    [told] = suffer(scene, [(0, COUNT, 0)])
    assert told["wrong"] == []
    return int(told["calls"])


def faults_at(call: int) -> list[Fault]:
    """A call that fails, and power that goes, with a disk that had written nothing, or by chance
    some, of what was not synced; now and then a disk that fails for ten calls, and `kill -9`."""
    often = [(call, FAIL_ONCE, 0), (call, POWER_CUT, call if call % 2 else 0)]
    return often if call % 5 else [*often, (call, FAIL_AWHILE, 0), (call, STOP, 0)]


def wrong(
    faults: Sequence[Fault], told: Sequence[dict[str, Any]], last: int
) -> list[tuple[Fault, Any]]:
    """Returns what is wrong after which fault; each that ends the process has to have ended it.

    The last few calls may not come: readers do not open their files at the same moment each time.
    """
    pairs = list(zip(faults, told, strict=True))
    for (call, how, _), each in pairs:
        assert each["stopped"] or how not in (STOP, POWER_CUT) or call > last - VARYING
    return [(fault, each["wrong"]) for fault, each in pairs if each["wrong"]]


def test_a_log_keeps_what_it_acknowledged_whatever_becomes_of_its_disk(suffer: Suffer) -> None:
    last = calls(suffer, "log")
    assert last > 100
    chosen = [1 + number * (last - 1) // SAMPLES for number in range(SAMPLES)]
    faults = [fault for call in chosen for fault in faults_at(call)]
    assert wrong(faults, suffer("log", faults), last) == []


def test_the_faulty_disk_finds_a_log_that_does_not_sync(suffer: Suffer) -> None:
    last = calls(suffer, "careless log")
    [told] = suffer("careless log", [(last // 2, POWER_CUT, 0)])
    assert told["stopped"]
    assert "is lost" in told["wrong"][0] or "LogDamaged" in told["wrong"][0]


@pytest.mark.soak
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("scene", ["log", "turn"])
def test_nothing_acknowledged_is_lost_at_any_call(suffer: Suffer, scene: str) -> None:
    last = calls(suffer, scene)
    faults = [fault for call in range(1, last + 1) for fault in faults_at(call)]
    assert wrong(faults, suffer(scene, faults), last) == []
