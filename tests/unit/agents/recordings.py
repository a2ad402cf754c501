"""Recordings of the real CLIs, read again turn by turn: how each of them lies on the disk.

`python -m tests.unit.agents.recordings gemini/quota` prints what that recording is read as, which
is its `expected.json` once somebody has looked at it.
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.claude import recorded as claude
from codara.adapters.agents.claude.reading import NOTHING
from codara.adapters.agents.codex import recorded as codex
from codara.adapters.agents.codex.reading import Tokens
from codara.adapters.agents.codex.rollouts import Noted, noted
from codara.adapters.agents.gemini import recorded as gemini
from codara.adapters.agents.opencode import recorded as opencode
from codara.adapters.agents.session.ending import Ending

GOLDEN = Path(__file__).parents[2] / "golden"
BOTH_WAYS = "both-ways.jsonl"
EVENTS = "events.jsonl"
EXPECTED = "expected.json"
HOME = "home"
FILES = frozenset({"stdout.jsonl", "stderr.txt", "exit.json", BOTH_WAYS, EVENTS, EXPECTED, HOME})
"""What a recording may consist of."""


def turns_of_claude(folder: Path) -> Iterator[claude.Recorded]:
    """Of a turn that was interrupted, what came from then on."""
    if not (folder / BOTH_WAYS).exists():
        words = _words(folder)
        options = () if "--fork-session" in words else ("--resume", "--session-id")
        yield claude.read_recorded(_lines(folder), _ending(folder, *options))
        return
    spent = NOTHING
    for said, answers in _said(folder):
        if said["type"] == "user" or said["request"]["subtype"] == "interrupt":
            turn = claude.read_recorded(map(_line, answers), Ending(), spent=spent)
            spent = turn.spent
            yield turn


def turns_of_codex(folder: Path) -> Iterator[codex.Recorded]:
    if not (folder / BOTH_WAYS).exists():
        words = _words(folder)
        expected = words[-2] if "resume" in words else None
        before = Noted() if expected is None else noted(folder / HOME, expected)
        total = before.total if before is not None else None
        yield codex.read_recorded(_lines(folder), _ending(folder, expected=expected), total=total)
        return
    totals: dict[str, Tokens | None] = {}
    for said, answers in _said(folder):
        if said.get("method") == "turn/start":
            thread_id = said["params"]["threadId"]
            of_thread = (each for each in answers if _thread(each, thread_id) == thread_id)
            total = totals.get(thread_id, Tokens())
            turn = codex.read_recorded(map(_line, of_thread), Ending(), total=total)
            totals[thread_id] = turn.total
            yield turn


def turns_of_gemini(folder: Path) -> Iterator[gemini.Recorded]:
    if not (folder / BOTH_WAYS).exists():
        yield gemini.read_recorded(_lines(folder), _ending(folder, "--resume"))
        return
    for said, answers in _said(folder):
        if said["method"] == "session/prompt":
            yield gemini.read_recorded(map(_line, answers), Ending())


def turns_of_opencode(folder: Path) -> Iterator[opencode.Recorded]:
    """A turn of the server begins with the first message of a user since the agent was idle."""
    events = folder / EVENTS
    if not events.exists():
        yield opencode.read_recorded(_lines(folder), _ending(folder, "--session"))
        return
    turn: list[bytes] = []
    session_id, since, idle = "", 0, True
    for line in events.read_bytes().splitlines():
        message = json.loads(line)
        about = (message.get("properties") or {}).get("info") or {}
        fresh = about.get("role") == "user" and about["time"]["created"] > since
        if idle and fresh and message.get("type") == "message.updated":
            if session_id:
                yield opencode.read_recorded(turn, Ending(), session_id=session_id, since=since)
            turn, idle = [], False
            session_id, since = about["sessionID"], about["time"]["created"]
        idle = idle or message.get("type") == "session.idle"
        turn.append(line)
    yield opencode.read_recorded(turn, Ending(), session_id=session_id, since=since)


TURNS = {
    "claude": turns_of_claude,
    "codex": turns_of_codex,
    "gemini": turns_of_gemini,
    "opencode": turns_of_opencode,
}


def read(recording: str) -> list[dict[str, Any]]:
    """The turns of a recording (`gemini/quota`) in plain values."""
    name = recording.partition("/")[0]
    return [_plain(turn) for turn in TURNS[name](GOLDEN / recording)]


def _plain(turn: Any) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    outcome = _fields(turn.outcome)
    if outcome["finish_reason"] == "stop":
        del outcome["finish_reason"]
    return {"frames": frames, "outcome": outcome}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, each: _json(each))
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _lines(folder: Path) -> list[bytes]:
    return (folder / "stdout.jsonl").read_bytes().splitlines()


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def _words(folder: Path) -> list[str]:
    return list(json.loads((folder / "exit.json").read_text())["argv"])


def _ending(folder: Path, *options: str, expected: str | None = None) -> Ending:
    """The end of one process; the thread it was to go on with stands behind one of `options`."""
    words, stderr = _words(folder), folder / "stderr.txt"
    named = (words[words.index(option) + 1] for option in options if option in words)
    return Ending(
        expected=next(named, expected),
        exit_code=json.loads((folder / "exit.json").read_text())["exit_code"],
        stderr=stderr.read_text().strip() if stderr.exists() else "",
    )


def _said(folder: Path) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
    """What was said to a process that stays, each with all it wrote from then on."""
    recorded = [json.loads(line) for line in (folder / BOTH_WAYS).read_text().splitlines()]
    for at, entry in enumerate(recorded):
        if entry["dir"] == ">":
            yield entry["msg"], (each["msg"] for each in recorded[at:] if each["dir"] == "<")


def _thread(message: dict[str, Any], default: str) -> str:
    return str(message.get("params", {}).get("threadId", default))


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(json.dumps(read(given), indent=1, ensure_ascii=False))
