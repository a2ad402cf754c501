"""Every recording of the real CLIs is read to the frames and the outcome that stand beside it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from recordings import TURNS

GOLDEN = Path(__file__).parents[2] / "golden"
RECORDINGS = sorted(
    f"{name}/{folder.name}"
    for name in TURNS
    for folder in (GOLDEN / name).iterdir()
    if folder.is_dir()
)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_is_read_as_written_beside_it(recording: str) -> None:
    name = recording.partition("/")[0]
    expected = json.loads((GOLDEN / recording / "expected.json").read_text())
    assert [plain(turn) for turn in TURNS[name](GOLDEN / recording)] == expected


def plain(turn: Any) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **fields(frame)} for frame in turn.frames]
    return {"frames": frames, "outcome": fields(turn.outcome)}


def fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, each: _json(each))
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
