"""Every recording of the real opencode is read to the frames and outcome that stand beside it."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from codara.adapters.agents.ending import Ending
from codara.adapters.agents.opencode.recorded import Recorded, read_recorded

GOLDEN = Path(__file__).parents[2] / "golden" / "opencode"
RECORDINGS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_of_opencode_is_read_as_written_beside_it(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    assert read(GOLDEN / name) == expected


def read(folder: Path) -> list[dict[str, Any]]:
    events = folder / "events.jsonl"
    turns = _server_turns(events) if events.exists() else [_run_turn(folder)]
    return [_plain(turn) for turn in turns]


def _run_turn(folder: Path) -> Recorded:
    ended = json.loads((folder / "exit.json").read_text())
    stderr, words = folder / "stderr.txt", ended["argv"]
    ending = Ending(
        expected=words[words.index("--session") + 1] if "--session" in words else None,
        exit_code=ended["exit_code"],
        stderr=stderr.read_text().strip() if stderr.exists() else "",
    )
    return read_recorded((folder / "stdout.jsonl").read_bytes().splitlines(), ending)


def _server_turns(path: Path) -> Iterator[Recorded]:
    """A turn begins with the first message of a user since the agent was idle."""
    turn: list[bytes] = []
    session_id, since, idle = "", 0, True
    for line in path.read_bytes().splitlines():
        message = json.loads(line)
        about = (message.get("properties") or {}).get("info") or {}
        fresh = about.get("role") == "user" and about["time"]["created"] > since
        if idle and fresh and message.get("type") == "message.updated":
            if session_id:
                yield read_recorded(turn, Ending(), session_id=session_id, since=since)
            turn, idle = [], False
            session_id, since = about["sessionID"], about["time"]["created"]
        idle = idle or message.get("type") == "session.idle"
        turn.append(line)
    yield read_recorded(turn, Ending(), session_id=session_id, since=since)


def _plain(turn: Recorded) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    return {"frames": frames, "outcome": _fields(turn.outcome)}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, v: _json(v))
    found.pop("raw", None)
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
