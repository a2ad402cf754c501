"""Copies of gemini's sessions, from records like those it writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from codara.adapters.agents.gemini.chats import aged
from codara.adapters.agents.gemini.copies import copied, mark_of
from codara.application.ports.agents import Fork

SESSION = "0a1b2c3d-0000-4000-8000-000000000000"
COPY = "9f8e7d6c-0000-4000-8000-000000000000"

HEAD = {"sessionId": SESSION, "projectHash": "hash", "kind": "main"}
LOADED = {"$set": {"sessionId": SESSION}}
NOW = {"$set": {"lastUpdated": "2026-11-20T14:00:00.000Z"}}


def said(by: str, message_id: str, content: str = "words") -> dict[str, Any]:
    return {"id": message_id, "type": by, "content": content}


TURNS = (
    *(said("user", "u1"), NOW, said("gemini", "g1"), NOW, said("gemini", "g1", "all words"), NOW),
    *(LOADED, said("user", "u2"), NOW, said("gemini", "g2"), NOW),
)


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "ws" / "chats"
    folder.mkdir(parents=True)
    return folder


def write(chats: Path, *records: dict[str, Any], name: str = "") -> Path:
    path = chats / (name or f"session-2026-11-20T14-00-{SESSION[:8]}.jsonl")
    lines = (json.dumps(each, separators=(",", ":")) + "\n" for each in (HEAD, *records))
    path.write_text("".join(lines))
    return path


def copy_at(home: Path, mark: str, thread: str = SESSION) -> list[dict[str, Any]] | None:
    """The records of the copy; it lies where gemini finds it."""
    found = copied(home, Fork(backend_id=thread, mark=mark), COPY)
    if found is None:
        return None
    assert found.path == f".gemini/tmp/ws/chats/{aged(COPY)}"
    return [json.loads(line) for line in found.data.splitlines()]


def test_a_copy_ends_where_its_last_message_was_written_last(chats: Path, tmp_path: Path) -> None:
    record = write(chats, *TURNS)
    before = record.read_bytes()
    assert copy_at(tmp_path, "g1") == [{**HEAD, "sessionId": COPY}, *TURNS[:5]]
    assert record.read_bytes() == before


def test_a_copy_is_another_session_wherever_it_says_so(chats: Path, tmp_path: Path) -> None:
    words = said("gemini", "g3", f'they said "sessionId":"{SESSION}"')
    write(chats, *TURNS, words)
    made = copy_at(tmp_path, "g3")
    assert made is not None
    assert LOADED not in made
    assert {"$set": {"sessionId": COPY}} in made
    assert made[-1] == words


@pytest.mark.parametrize(("mark", "thread"), [("g9", SESSION), ("u1", SESSION), ("g1", COPY)])
def test_of_what_is_lost_there_is_no_copy(
    chats: Path, tmp_path: Path, mark: str, thread: str
) -> None:
    write(chats, *TURNS)
    assert copy_at(tmp_path, mark, thread) is None
    assert copy_at(tmp_path, mark, "../../x") is None


def test_a_copy_takes_no_other_sessions_place(chats: Path, tmp_path: Path) -> None:
    write(chats, *TURNS)
    (chats / aged(COPY)).touch()
    assert copy_at(tmp_path, "g1") is None


def test_the_point_is_the_last_message_if_the_model_said_it(chats: Path, tmp_path: Path) -> None:
    assert mark_of(tmp_path, SESSION) is None
    write(chats, *TURNS)
    assert mark_of(tmp_path, SESSION) == "g2"
    write(chats, *TURNS, said("user", "u3"), NOW)
    assert mark_of(tmp_path, SESSION) is None
    write(chats, *TURNS, {"$rewindTo": "u2"})
    assert mark_of(tmp_path, SESSION) is None


def test_the_point_is_found_however_much_came_after_it(chats: Path, tmp_path: Path) -> None:
    write(chats, *TURNS, *[{"$set": {"summary": "x" * 100_000}}] * 30)
    assert mark_of(tmp_path, SESSION) == "g2"


def test_a_shadow_of_a_session_is_not_copied(chats: Path, tmp_path: Path) -> None:
    write(chats, *TURNS)
    write(chats, name=f"session-2026-11-20T14-09-{SESSION[:8]}.jsonl")
    assert mark_of(tmp_path, SESSION) == "g2"
    assert copy_at(tmp_path, "g2") is not None
