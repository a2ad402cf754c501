"""Recordings of the real CLIs, read again turn by turn: how each of them lies on the disk.

`python -m tests.unit.agents.recordings gemini/quota` prints what that recording is read as, which
is its `expected.json` once somebody has looked at it.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.codex.rollouts import Noted, noted
from codara.adapters.agents.registry import transcripts
from codara.adapters.agents.session.ending import Ending
from codara.adapters.agents.transcript import Circumstances, ReadBack

GOLDEN = Path(__file__).parents[2] / "golden"
BOTH_WAYS = "both-ways.jsonl"
EVENTS = "events.jsonl"
EXPECTED = "expected.json"
HOME = "home"
FILES = frozenset({"stdout.jsonl", "stderr.txt", "exit.json", BOTH_WAYS, EVENTS, EXPECTED, HOME})
"""What a recording may consist of."""
FIRST = Circumstances(ending=Ending(), first=True)
"""A turn that is its thread's first, of a process that lives."""
TRANSCRIPTS = transcripts()


def turns_of_claude(folder: Path) -> Iterator[ReadBack]:
    """Of a turn that was interrupted, what came from then on."""
    if not (folder / BOTH_WAYS).exists():
        words = _words(folder)
        options = () if "--fork-session" in words else ("--resume", "--session-id")
        yield _process("claude", folder, _ending(folder, *options))
        return
    known = FIRST
    for said, answers in _said(folder, lambda _, later: later["type"] == "user"):
        if said["type"] == "user" or said["request"]["subtype"] == "interrupt":
            turn = _persistent("claude", answers, known)
            known = Circumstances(ending=Ending(), counted=turn.counted)
            yield turn


def turns_of_codex(folder: Path) -> Iterator[ReadBack]:
    if not (folder / BOTH_WAYS).exists():
        words = _words(folder)
        expected = words[-2] if "resume" in words else None
        before = Noted() if expected is None else noted(folder / HOME, expected)
        total = before.total if before is not None else None
        yield _process("codex", folder, _ending(folder, expected=expected), counted=total)
        return
    known: dict[str, Circumstances] = {}
    for said, answers in _said(folder, _is_another_of_the_thread):
        if said.get("method") == "turn/start":
            thread_id = said["params"]["threadId"]
            of_thread = (each for each in answers if _thread(each, thread_id) == thread_id)
            turn = _persistent("codex", of_thread, known.get(thread_id, FIRST))
            known[thread_id] = Circumstances(ending=Ending(), counted=turn.counted)
            yield turn


def turns_of_gemini(folder: Path) -> Iterator[ReadBack]:
    if not (folder / BOTH_WAYS).exists():
        yield _process("gemini", folder, _ending(folder, "--resume"))
        return
    for said, answers in _said(folder, lambda _, later: "id" in later):
        if said["method"] == "session/prompt":
            yield _persistent("gemini", answers, FIRST)


def turns_of_opencode(folder: Path) -> Iterator[ReadBack]:
    """A turn of the server begins with the first message of a user since the agent was idle."""
    events = folder / EVENTS
    if not events.exists():
        yield _process("opencode", folder, _ending(folder, "--session"))
        return
    turn: list[dict[str, Any]] = []
    since, idle = 0, True
    for message in map(json.loads, events.read_bytes().splitlines()):
        about = (message.get("properties") or {}).get("info") or {}
        fresh = about.get("role") == "user" and about["time"]["created"] > since
        if idle and fresh and message.get("type") == "message.updated":
            if since:
                yield _persistent("opencode", turn, FIRST)
            turn, idle = [], False
            since = about["time"]["created"]
        idle = idle or message.get("type") == "session.idle"
        turn.append(message)
    yield _persistent("opencode", turn, FIRST)


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


def _plain(turn: ReadBack) -> dict[str, Any]:
    frames = [{"frame": type(frame).__name__, **_fields(frame)} for frame in turn.frames]
    outcome = _fields(turn.outcome)
    if outcome["finish_reason"] == "stop":
        del outcome["finish_reason"]
    if not outcome["told"]:
        del outcome["told"]
    return {"frames": frames, "outcome": outcome}


def _fields(value: Any) -> dict[str, Any]:
    found = attrs.asdict(value, value_serializer=lambda _, __, each: _json(each))
    return dict(json.loads(json.dumps(found)))


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _process(name: str, folder: Path, ending: Ending, *, counted: object = None) -> ReadBack:
    """The turn of a process of its own."""
    lines = (folder / "stdout.jsonl").read_bytes().splitlines()
    known = Circumstances(ending=ending, counted=counted)
    return TRANSCRIPTS[name].read(lines, transport="process", known=known)


def _persistent(name: str, messages: Iterable[dict[str, Any]], known: Circumstances) -> ReadBack:
    """A turn of a process that stays."""
    lines = (json.dumps(message).encode() for message in messages)
    return TRANSCRIPTS[name].read(lines, transport="persistent", known=known)


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


def _said(
    folder: Path, is_next: Callable[[dict[str, Any], dict[str, Any]], bool]
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """What was said to a process that stays, each with all it wrote until the next was said."""
    recorded = [json.loads(line) for line in (folder / BOTH_WAYS).read_text().splitlines()]
    for at, entry in enumerate(recorded):
        said = entry["msg"]
        if entry["dir"] == ">":
            rest = recorded[at + 1 :]
            own = takewhile(lambda it: it["dir"] == "<" or not is_next(said, it["msg"]), rest)  # noqa: B023
            yield said, [each["msg"] for each in own if each["dir"] == "<"]


def _is_another_of_the_thread(said: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether it is said to codex behind a turn: something else, or the thread's next turn."""
    if later.get("method") != "turn/start":
        return later.get("method") != "turn/interrupt"
    return bool(later["params"]["threadId"] == (said.get("params") or {}).get("threadId"))


def _thread(message: dict[str, Any], default: str) -> str:
    return str(message.get("params", {}).get("threadId", default))


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(json.dumps(read(given), indent=1, ensure_ascii=False))
