"""Every CLI: files of a workspace and a home decide nothing, and none keeps it from starting."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import hostile
from tests.agent_pool import JAIL_UID
from tests.cli_scenes import Scene, key_of, sharing, staying
from tests.clis import CLIS, CODEX, OPENCODE

pytestmark = [pytest.mark.cli, pytest.mark.asyncio(loop_scope="session")]

WORK = "[[shell:echo done > made.txt]] [[text:ok]]"
PLAIN: dict[str, set[str]] = {}
"""The tools of each CLI where no file is in its way."""

places = pytest.mark.parametrize("home", [False, True], ids=["workspace", "home"])
shapes = pytest.mark.parametrize("broken", [False, True], ids=["valid", "broken"])


def tools(body: bytes) -> set[str]:
    """The names of all tools that a model was offered."""
    return set(_names(json.loads(body), within=False))


def _names(value: Any, *, within: bool) -> Iterator[str]:
    match value:
        case dict():
            if within and isinstance(value.get("name"), str):
                yield value["name"]
            for key, each in value.items():
                below = key in ("tools", "functionDeclarations", "function")
                yield from _names(each, within=below) if below or not within else ()
        case list():
            for each in value:
                yield from _names(each, within=within)


async def plain(scene: Scene) -> set[str]:
    if scene.cli.name not in PLAIN:
        await scene.run("[[text:ok]]", workspace_id="wsp_plain")
        PLAIN[scene.cli.name] = tools(scene.post.bodies[0])
        scene.post.bodies.clear()
    return PLAIN[scene.cli.name]


def home_of(scene: Scene) -> Path:
    return scene.den.root / "homes" / "wsp_1" / scene.cli.name


def given(folder: Path) -> None:
    """Gives what was laid to the agents, where they run as somebody else."""
    if os.geteuid() == 0:
        for place in (folder, *folder.rglob("*")):
            os.chown(place, JAIL_UID, JAIL_UID, follow_symlinks=False)


async def works_as_ever(scene: Scene, folder: Path, texts: Mapping[str, str]) -> None:
    """A process that starts among these files does its work, with our model, key and tools."""
    offered = await plain(scene)
    workspace = scene.den.turn("").folder
    await scene.den.close_home("wsp_1")
    folder.mkdir(parents=True, exist_ok=True)
    hostile.lay(folder, texts)
    given(folder)
    scene.server.requests.clear()
    scene.post.bodies.clear()
    try:
        outcome, _ = await scene.run(WORK)
        started = hostile.marks(scene.den.root)
        assert (outcome.status, outcome.message, started) == ("completed", "", [])
        assert (workspace / "made.txt").read_text() == "done\n"
        assert tools(scene.post.bodies[0]) == offered
        assert set(scene.keys) == {key_of("acc_1")}
        assert not any("hostile" in each.conversation.model for each in scene.server.requests)
    finally:
        await scene.den.close_home("wsp_1")
        for place in scene.den.root.rglob(f"{hostile.MARK}*"):
            place.unlink()
        shutil.rmtree(home_of(scene), ignore_errors=True)


@staying
@places
@shapes
async def test_files_that_would_decide_change_nothing(
    scene: Scene, home: bool, broken: bool
) -> None:
    folder = home_of(scene) if home else scene.den.turn("").folder
    texts = hostile.files(scene.cli.name, scene.den.turn("").folder, home=home)
    await works_as_ever(scene, folder, dict.fromkeys(texts, hostile.BROKEN) if broken else texts)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("stage", "path", "home"),
    [
        pytest.param((cli, transport), path, home, id=f"{cli.name}-{transport}-{home}-{path}")
        for cli in CLIS
        for transport in ("persistent", "process")
        for home in (False, True)
        for path in hostile.files(cli.name, Path("/w"), home=home)
    ],
    indirect=["stage"],
    scope="session",
)
@shapes
async def test_each_file_alone_changes_nothing(
    scene: Scene, path: str, home: bool, broken: bool
) -> None:
    folder = home_of(scene) if home else scene.den.turn("").folder
    texts = hostile.files(scene.cli.name, scene.den.turn("").folder, home=home)
    await works_as_ever(scene, folder, {path: hostile.BROKEN if broken else texts[path]})


@staying
async def test_a_home_that_its_agent_spoilt_is_repaired_by_itself(scene: Scene) -> None:
    first, _ = await scene.run("hello")
    await scene.den.close_home("wsp_1")
    home = home_of(scene)
    state = next(each for each in (home / f".{scene.cli.name}", home / ".config") if each.exists())
    for place in (*(each for each in state.rglob("*") if not each.is_symlink()), state, home):
        place.chmod(0)
    outcome, heard = await scene.run("[[history]]", backend_id=first.backend_id)
    assert (outcome.status, outcome.backend_id) == ("completed", first.backend_id), outcome
    assert "1. hello" in heard.text


@staying
@pytest.mark.parametrize("what", ["file", "link", "folder"])
async def test_what_lies_in_the_place_of_its_state_makes_room(scene: Scene, what: str) -> None:
    await scene.den.close_home("wsp_1")
    home = home_of(scene)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in (f".{scene.cli.name}", ".config"):
        place = home / name
        if what == "file":
            place.write_text("no folder")
        elif what == "link":
            place.symlink_to("/nowhere")
        else:
            for each in ("config.toml", "settings.json", ".claude.json"):
                (place / each / "deeper").mkdir(parents=True)
    given(home)
    outcome, _ = await scene.run("[[text:ok]]")
    assert outcome.status == "completed", outcome


@sharing
async def test_a_file_that_no_cli_can_be_told_to_leave_is_named(scene: Scene) -> None:
    workspace = scene.den.turn("").folder
    await scene.den.close_home("wsp_1")
    if scene.cli is OPENCODE:
        path = "opencode.json"
        hostile.lay(workspace, {path: '{"plugin": ["./hostile.js"]}'})
    elif scene.cli is CODEX:
        path = ".codex/config.toml"
        hostile.lay(workspace, {path: ""})
        (workspace / path).write_bytes(b"\xff\xfe")
    else:
        path = "GEMINI.md"
        os.mkfifo(workspace / path)
    given(workspace)
    outcome, _ = await scene.run("hello")
    assert (outcome.status, outcome.cause) == ("failed", "workspace_file")
    assert path in outcome.told
    assert str(scene.den.root) not in outcome.told


@staying
async def test_instructions_of_the_workspace_are_read_as_ever(scene: Scene) -> None:
    await scene.den.close_home("wsp_1")
    name = {"claude": "CLAUDE.md", "gemini": "GEMINI.md"}.get(scene.cli.name, "AGENTS.md")
    (scene.den.turn("").folder / name).write_text("Speak like a pirate")
    given(scene.den.turn("").folder)
    outcome, _ = await scene.run("hello")
    assert outcome.status == "completed", outcome
    assert b"Speak like a pirate" in scene.post.bodies[-1]


@staying
async def test_an_agent_may_write_such_a_file_and_read_it(scene: Scene) -> None:
    name = ".gemini/settings.json" if scene.cli.name == "gemini" else ".claude/settings.json"
    outcome, _ = await scene.run(f"[[write:{name}=our-settings]] [[shell:cat {name}]] [[text:ok]]")
    assert outcome.status == "completed", outcome
    assert (scene.den.turn("").folder / name).read_text().strip() == "our-settings"
    assert b"our-settings" in scene.post.bodies[-1]


@staying
async def test_a_percent_in_the_path_of_a_workspace_is_no_obstacle(scene: Scene) -> None:
    wanted = {"workspace_id": "a%20b%2Fc"}
    first, _ = await scene.run(WORK, **wanted)
    assert first.status == "completed", first
    assert (scene.den.workspace("a%20b%2Fc") / "made.txt").exists()
    again, heard = await scene.run("[[history]]", backend_id=first.backend_id, **wanted)
    assert again.status == "completed", again
    assert "user messages: 2" in heard.text
