"""Threads of claude and gemini, removed from homes like those they leave."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import attrs
import pytest

from codara.adapters.agents.claude.forgetting import forget as claude_forgets
from codara.adapters.agents.gemini.forgetting import forget as gemini_forgets

ONE = "0a1b2c3d-0000-4000-8000-000000000001"
TWO = "0a1b2c3d-0000-4000-8000-000000000002"
"""It begins like the other, which is all that the name of gemini's record tells."""
AGENT = "11111111-0000-4000-8000-000000000001"
PROJECT = "-w-ws"


@attrs.frozen
class House:
    """A kind of home: what is in one for a thread, and how threads are forgotten."""

    files: Callable[[str], dict[str, str]]
    forget: Callable[[Path, Collection[str]], None]
    folder: str
    """Where projects lie."""


def of_claude(thread: str) -> dict[str, str]:
    agent = f".claude/projects/{PROJECT}/{thread}/subagents/agent-1.jsonl"
    return {
        f".claude/projects/{PROJECT}/{thread}.jsonl": "said",
        f".claude/projects/-another/{thread}.jsonl": "said elsewhere",
        agent: "delegated",
        f".claude/todos/{thread}-agent-{AGENT}.json": "[]",
        f".claude/file-history/{thread}/a@v1": "old",
        f".claude/session-env/{thread}/hook.sh": "",
        f".claude/debug/{thread}.txt": "",
        f".claude/tasks/{thread}/1.json": "{}",
    }


def of_gemini(session: str) -> dict[str, str]:
    agent = AGENT[:-1] + session[-1]
    head = json.dumps({"sessionId": session, "kind": "main"}) + "\n"
    base = ".gemini/tmp/ws"
    record = f"{base}/chats/session-2026-11-20T14-0{session[-1]}-{session[:8]}"
    return {
        f"{record}.jsonl": head + '{"type":"user"}\n',
        f".gemini/tmp/ws-1/chats/session-2000-01-01T00-00-{session[:8]}-{session[-1]}.jsonl": "",
        f"{base}/chats/{session}/{agent}.jsonl": "delegated",
        f"{base}/tool-outputs/session-{session}/out.txt": "much",
        f"{base}/tool-outputs/session-{agent}/out.txt": "much",
        f"{base}/logs/session-{session}.jsonl": "{}",
        f"{base}/{session}/plans/plan.md": "",
    }


HOUSES = {
    "claude": House(of_claude, claude_forgets, ".claude/projects"),
    "gemini": House(of_gemini, gemini_forgets, ".gemini/tmp"),
}


@pytest.fixture(params=HOUSES)
def house(request: pytest.FixtureRequest) -> House:
    return HOUSES[request.param]


@pytest.fixture
def home(tmp_path: Path, house: House) -> Path:
    """A home with two threads, and what belongs to neither."""
    folder = tmp_path / "home"
    for thread in (ONE, TWO):
        for name, content in house.files(thread).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    (folder / house.folder / "notes.txt").write_text("no folder")
    return folder


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_everything_of_a_thread_goes_and_nothing_of_another(house: House, home: Path) -> None:
    before, empty = files(home), {name for name, text in house.files(ONE).items() if not text}
    house.forget(home, [ONE])
    gone = before - files(home)
    assert gone <= set(house.files(ONE))
    assert set(house.files(ONE)) - gone <= {each for each in empty if "2000-01-01" in each}
    assert set(house.files(TWO)) <= files(home)
    house.forget(home, [ONE, TWO])
    assert f"{house.folder}/notes.txt" in files(home)


@pytest.mark.parametrize(
    "named",
    ["", ".", "..", "../..", "*", "ws", "notes.txt", ONE[:8], ONE[:-1], f"{ONE}/..", "é" * 9],
)
def test_what_is_no_id_of_a_thread_names_nothing(house: House, home: Path, named: str) -> None:
    before = files(home)
    house.forget(home, [named, f"{ONE}.jsonl", f"../{ONE}"])
    assert files(home) == before


def test_links_lead_nowhere(house: House, home: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    of_projects = {k: v for k, v in house.files(ONE).items() if k.startswith(house.folder)}
    for name, content in of_projects.items():
        below = victim.joinpath(*name.split("/")[3:])
        below.parent.mkdir(parents=True, exist_ok=True)
        below.write_text(content)
    before = files(victim)
    (home / house.folder / "link").symlink_to(victim)
    for thread in (home / house.folder).rglob(f"*{ONE}"):
        if thread.is_dir():
            (thread / "link").symlink_to(victim)
    house.forget(home, [ONE])
    assert files(victim) == before


def test_a_home_without_threads_or_with_odd_things_in_their_places_is_harmless(
    house: House, tmp_path: Path
) -> None:
    house.forget(tmp_path / "nowhere", [ONE])
    home = tmp_path / "home"
    home.mkdir()
    house.forget(home, [ONE])
    (home / house.folder).parent.mkdir()
    (home / house.folder).write_text("a file")
    house.forget(home, [ONE])
    assert files(home) == {house.folder}


def test_a_folder_in_the_place_of_a_record_goes_as_well(tmp_path: Path) -> None:
    odd = tmp_path / ".claude" / "projects" / PROJECT / f"{ONE}.jsonl"
    odd.mkdir(parents=True)
    (odd / "file").touch()
    claude_forgets(tmp_path, [ONE])
    assert not odd.exists()


def test_a_record_that_says_to_be_anothers_stays(tmp_path: Path) -> None:
    chats = tmp_path / ".gemini" / "tmp" / "ws" / "chats"
    chats.mkdir(parents=True)
    names = [f"session-2026-11-20T14-0{n}-{ONE[:8]}.jsonl" for n in range(4)]
    heads = (f'{{"sessionId":"{TWO}"}}', "[]", "", '{"sessionId":[1]}')
    for name, head in zip(names, heads, strict=True):
        (chats / name).write_text(head + "\n")
    gemini_forgets(tmp_path, [ONE])
    assert sorted(path.name for path in chats.iterdir()) == names
