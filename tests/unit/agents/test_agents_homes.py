"""Private homes, and what an agent may have planted in them."""

import os
import stat
from pathlib import Path

import pytest

from codara.adapters.agents.home.homes import Homes


@pytest.fixture
def homes(tmp_path: Path) -> Homes:
    return Homes(tmp_path / "homes")


def test_a_home_is_private_and_made_once(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    (home / "kept").touch()
    assert homes.ensure("wsp_1", "codex") == home
    assert (home / "kept").exists()


def test_a_file_is_written_whole_and_private(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    homes.write(home, ".codex/config.toml", b"one")
    homes.write(home, ".codex/config.toml", b"two")
    path = home / ".codex" / "config.toml"
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["config.toml"]


def test_a_write_that_fails_leaves_nothing_behind(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = homes.ensure("wsp_1", "codex")
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", full)
        with pytest.raises(OSError, match="full"):
            homes.write(home, "config.toml", b"x")
    assert list(home.iterdir()) == []


def full(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def test_a_folder_in_a_files_place_makes_room(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    (home / ".codex" / "config.toml" / "deeper").mkdir(parents=True)
    homes.write(home, ".codex/config.toml", b"x")
    assert (home / ".codex" / "config.toml").read_bytes() == b"x"


def test_a_planted_link_in_a_folders_place_makes_room_and_is_not_followed(
    homes: Homes, tmp_path: Path
) -> None:
    home = homes.ensure("wsp_1", "codex")
    victim = tmp_path / "victim"
    victim.mkdir()
    (home / ".codex").symlink_to(victim)
    homes.write(home, ".codex/config.toml", b"x")
    assert list(victim.iterdir()) == []
    assert (home / ".codex" / "config.toml").read_bytes() == b"x"
    assert not (home / ".codex").is_symlink()


def test_a_file_in_a_folders_place_makes_room(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    (home / ".codex").write_text("no folder")
    homes.write(home, ".codex/config.toml", b"x")
    assert (home / ".codex" / "config.toml").read_bytes() == b"x"


def test_a_home_that_its_agent_shut_is_opened_again(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    homes.write(home, ".codex/sessions/thread.jsonl", b"kept")
    for place in (home / ".codex/sessions/thread.jsonl", home / ".codex/sessions", home / ".codex"):
        place.chmod(0)
    home.chmod(0)
    assert homes.ensure("wsp_1", "codex") == home
    homes.strip(home, (), (".codex",))
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (home, *sorted(home.rglob("*")))]
    assert modes == [0o700, 0o700, 0o700, 0o600]
    assert (home / ".codex/sessions/thread.jsonl").read_bytes() == b"kept"


def test_what_would_decide_is_removed_and_the_rest_is_kept(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    for path in (".codex/rules/a.rules", ".codex/hooks.json", ".codex/AGENTS.md", ".bashrc"):
        homes.write(home, path, b"x")
    homes.strip(home, (".codex/rules", ".codex/hooks.json", ".bashrc", ".none/at/all"), ())
    left = [str(each.relative_to(home)) for each in home.rglob("*") if each.is_file()]
    assert left == [".codex/AGENTS.md"]


def test_a_link_is_put_in_the_place_of_whatever_is_there(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    target = tmp_path / "AGENTS.md"
    for planted in ("none", "file", "folder"):
        if planted != "none":
            (home / ".codex" / "AGENTS.md").unlink()
        if planted == "file":
            (home / ".codex" / "AGENTS.md").write_text("planted")
        if planted == "folder":
            (home / ".codex" / "AGENTS.md" / "deeper").mkdir(parents=True)
        homes.link(home, ".codex/AGENTS.md", target)
        assert (home / ".codex" / "AGENTS.md").readlink() == target


def test_a_link_on_the_way_to_what_would_decide_is_removed(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "opencode")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "opencode").mkdir(parents=True)
    (elsewhere / "opencode" / "opencode.json").write_text("kept")
    (home / ".config").symlink_to(elsewhere)
    homes.strip(home, (".config/opencode/opencode.json",), (".config/opencode",))
    assert (elsewhere / "opencode" / "opencode.json").read_text() == "kept"
    assert not (home / ".config").is_symlink()


def test_a_planted_link_in_the_files_place_is_replaced(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (home / "config.toml").symlink_to(victim)
    homes.write(home, "config.toml", b"x")
    assert victim.read_text() == "untouched"
    assert (home / "config.toml").read_bytes() == b"x"


def test_a_sweep_takes_files_and_links_and_leaves_the_rest(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    homes.sweep(home, ".codara/pictures")
    assert list(home.iterdir()) == []
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    homes.write(home, ".codara/pictures/image-1.png", b"x")
    homes.write(home, ".codara/pictures/agents/own.txt", b"x")
    homes.write(home, ".codara/other.txt", b"x")
    (home / ".codara" / "pictures" / "link").symlink_to(victim)
    homes.sweep(home, ".codara/pictures")
    left = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    assert left == [".codara/other.txt", ".codara/pictures/agents/own.txt"]
    assert victim.read_text() == "untouched"


def test_a_sweep_follows_no_planted_link(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "mine.png").touch()
    (home / ".codara").symlink_to(tmp_path)
    homes.sweep(home, ".codara/pictures")
    assert (tmp_path / "pictures" / "mine.png").exists()


def test_notes_lie_beside_the_home(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    assert homes.recall("wsp_1", "codex") == {}
    homes.remember("wsp_1", "codex", {"thread": [1, 2]})
    assert homes.recall("wsp_1", "codex") == {"thread": [1, 2]}
    assert list(home.iterdir()) == []


def test_removing_takes_all_homes_of_a_workspace(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    homes.remove("wsp_1")
    homes.remove("wsp_1")
    assert not home.parent.exists()
