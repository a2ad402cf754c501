"""Every recording of the real claude is read to the frames and the outcome that stand beside it."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.claude.recorded import Recorded, read_recorded
from codara.adapters.agents.ending import Ending

GOLDEN = Path(__file__).parents[2] / "golden" / "claude"
RECORDINGS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_of_claude_is_read_as_written_beside_it(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    assert read(GOLDEN / name) == expected


def read(folder: Path) -> list[dict[str, Any]]:
    both_ways = folder / "both-ways.jsonl"
    turns = _turns_of_one_process(both_ways) if both_ways.exists() else [_turn(folder)]
    return [_plain(turn) for turn in turns]


def _turn(folder: Path) -> Recorded:
    ended = json.loads((folder / "exit.json").read_text())
    stderr = folder / "stderr.txt"
    ending = Ending(
        expected=_expected(ended["argv"]),
        exit_code=ended["exit_code"],
        stderr=stderr.read_text().strip() if stderr.exists() else "",
    )
    return read_recorded((folder / "stdout.jsonl").read_bytes().splitlines(), ending)


def _expected(words: list[str]) -> str | None:
    if "--fork-session" in words:
        return None
    options = ("--resume", "--session-id")
    return next((words[words.index(option) + 1] for option in options if option in words), None)


def _turns_of_one_process(path: Path) -> Iterator[Recorded]:
    recorded = [json.loads(line) for line in path.read_text().splitlines()]
    cost = 0.0
    for at, entry in enumerate(recorded):
        if entry["dir"] == ">" and entry["msg"]["type"] == "user":
            answers = (e["msg"] for e in recorded[at:] if e["dir"] == "<")
            lines = (json.dumps(message).encode() for message in answers)
            turn = read_recorded(lines, Ending(), cost=cost)
            cost = turn.cost
            yield turn


def _plain(turn: Recorded) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    return {"frames": frames, "outcome": _fields(turn.outcome)}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, v: _json(v))
    found.pop("raw", None)
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
