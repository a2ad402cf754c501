"""Every recording of the real gemini is read to the frames and the outcome that stand beside it."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.ending import Ending
from codara.adapters.agents.gemini.recorded import Recorded, read_recorded

GOLDEN = Path(__file__).parents[2] / "golden" / "gemini"
RECORDINGS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_of_gemini_is_read_as_written_beside_it(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    assert read(GOLDEN / name) == expected


def read(folder: Path) -> list[dict[str, Any]]:
    both_ways = folder / "both-ways.jsonl"
    turns = _prompts(both_ways) if both_ways.exists() else [_process(folder)]
    return [_plain(turn) for turn in turns]


def _process(folder: Path) -> Recorded:
    ended = json.loads((folder / "exit.json").read_text())
    stderr = folder / "stderr.txt"
    words = ended["argv"]
    ending = Ending(
        expected=words[words.index("--resume") + 1] if "--resume" in words else None,
        exit_code=ended["exit_code"],
        stderr=stderr.read_text().strip() if stderr.exists() else "",
    )
    return read_recorded((folder / "stdout.jsonl").read_bytes().splitlines(), ending)


def _prompts(path: Path) -> Iterator[Recorded]:
    recorded = [json.loads(line) for line in path.read_text().splitlines()]
    for at, entry in enumerate(recorded):
        message = entry["msg"]
        if entry["dir"] == ">" and message["method"] == "session/prompt":
            answers = (json.dumps(e["msg"]).encode() for e in recorded[at:] if e["dir"] == "<")
            yield read_recorded(answers, Ending())


def _plain(turn: Recorded) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    return {"frames": frames, "outcome": _fields(turn.outcome)}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, v: _json(v))
    found.pop("raw", None)
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
