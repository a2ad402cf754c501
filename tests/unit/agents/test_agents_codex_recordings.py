"""Every recording of the real codex is read to the frames and the outcome that stand beside it."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.codex.reading import Tokens
from codara.adapters.agents.codex.recorded import Recorded, read_recorded
from codara.adapters.agents.ending import Ending

GOLDEN = Path(__file__).parents[2] / "golden" / "codex"
RECORDINGS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_is_read_as_written_beside_it(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    assert read(GOLDEN / name) == expected


def read(folder: Path) -> list[dict[str, Any]]:
    both_ways = folder / "both-ways.jsonl"
    turns = _server_turns(both_ways) if both_ways.exists() else [_exec_turn(folder)]
    return [_plain(turn) for turn in turns]


def _exec_turn(folder: Path) -> Recorded:
    ended = json.loads((folder / "exit.json").read_text())
    stderr = folder / "stderr.txt"
    words = ended["argv"]
    ending = Ending(
        expected=words[-2] if "resume" in words else None,
        exit_code=ended["exit_code"],
        stderr=stderr.read_text().strip() if stderr.exists() else "",
    )
    fresh = None if "resume" in words else Tokens()
    return read_recorded((folder / "stdout.jsonl").read_bytes().splitlines(), ending, total=fresh)


def _server_turns(path: Path) -> Iterator[Recorded]:
    recorded = [json.loads(line) for line in path.read_text().splitlines()]
    totals: dict[str, Tokens | None] = {}
    for at, entry in enumerate(recorded):
        if entry["dir"] == ">" and entry["msg"].get("method") == "turn/start":
            thread_id = entry["msg"]["params"]["threadId"]
            answers = (e["msg"] for e in recorded[at:] if e["dir"] == "<")
            lines = (json.dumps(m).encode() for m in answers if _of_thread(m, thread_id))
            turn = read_recorded(lines, Ending(), total=totals.get(thread_id, Tokens()))
            totals[thread_id] = turn.total
            yield turn


def _of_thread(message: dict[str, Any], thread_id: str) -> bool:
    return message.get("params", {}).get("threadId", thread_id) == thread_id


def _plain(turn: Recorded) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    return {"frames": frames, "outcome": _fields(turn.outcome)}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, v: _json(v))
    found.pop("raw", None)
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
