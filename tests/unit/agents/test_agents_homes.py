"""Private homes, and what an agent may have planted in them."""

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


def test_a_write_that_fails_leaves_nothing_behind(homes: Homes) -> None:
    home = homes.ensure("wsp_1", "codex")
    (home / "config.toml").mkdir()
    with pytest.raises(IsADirectoryError):
        homes.write(home, "config.toml", b"x")
    assert [entry.name for entry in home.iterdir()] == ["config.toml"]


def test_a_planted_link_in_a_folders_place_is_not_followed(homes: Homes, tmp_path: Path) -> None:
    home = homes.ensure("wsp_1", "codex")
    victim = tmp_path / "victim"
    victim.mkdir()
    (home / ".codex").symlink_to(victim)
    with pytest.raises(OSError):
        homes.write(home, ".codex/config.toml", b"x")
    assert list(victim.iterdir()) == []


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
