"""Removing what an agent left: all of it goes, and nothing that a link leads to."""

import ctypes
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from codara.adapters.agents.home import removal
from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.home.removal import removed

DEEP = 3000
NOBODY = 10001


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove(folder: Path, name: str = "home") -> bool:
    with opened(folder) as above:
        return removed(above, name)


def dig(folder: Path, depth: int) -> None:
    """Folders in folders, deeper than any path may be long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "homes" / "home"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """What links lead to: it is as it was afterwards."""
    folder = tmp_path / "victim"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_text("untouched")
    folder.chmod(0o750)
    yield folder
    assert (folder / "below" / "file").read_text() == "untouched"
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_tree_goes_with_everything_in_it(home: Path) -> None:
    for name in ("a/b/c", "a/d", ".hidden/.codara-0/x"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_text("x")
    (home / ".codara-0").write_text("a name that is taken")
    os.mkfifo(home / "a" / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "a" / "socket"))
    (home / os.fsdecode(b"\xff\n*")).mkdir()
    assert remove(home.parent)
    assert list(home.parent.iterdir()) == []


def test_links_are_removed_and_not_followed(home: Path, victim: Path) -> None:
    (home / "link").symlink_to(victim)
    (home / "in").mkdir()
    (home / "in" / "link").symlink_to(victim / "below")
    (home / "in" / "file").symlink_to(victim / "below" / "file")
    os.link(victim / "below" / "file", home / "hard")
    assert remove(home.parent)
    assert not home.exists()


def test_a_link_in_the_place_of_a_home_is_removed_itself(home: Path, victim: Path) -> None:
    home.rmdir()
    home.symlink_to(victim)
    assert remove(home.parent)
    assert not home.is_symlink()


def test_no_tree_is_too_deep(home: Path) -> None:
    dig(home, DEEP)
    (home / "wide").mkdir()
    dig(home / "wide", DEEP)
    assert remove(home.parent)
    assert not home.exists()


def test_more_entries_than_are_held_at_a_time_go(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_AT_ONCE", 3)
    for number in range(10):
        (home / f"{number}").touch()
        (home / "in" / f"{number}").mkdir(parents=True)
        (home / "in" / f"{number}" / "file").touch()
    assert remove(home.parent)


def test_what_cannot_be_removed_stays_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "a").mkdir()
    for name in ("a/stuck", "a/file", "file"):
        (home / name).touch()
    unlink = os.unlink

    def unlinked(name: str, *, dir_fd: int) -> None:
        if name == "stuck":
            raise PermissionError("immutable")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlinked)
    assert not remove(home.parent)
    left = [path.name for path in home.rglob("*") if path.is_file()]
    assert left == ["stuck"]


def test_what_is_not_there_is_removed_already(home: Path) -> None:
    assert remove(home.parent, "nothing")
    assert home.exists()


def as_nobody(work: Callable[[], None]) -> None:
    """Does it as one who may read nothing but his own; what root may is a matter of the thread."""

    def working() -> None:
        ctypes.CDLL(None).setfsuid(NOBODY)
        work()

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(working).result()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_folders_that_are_shut_are_opened_by_their_owner() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        root = Path(name)
        root.chmod(0o777)

        def work() -> None:
            for folder, mode in (("home/a/b", 0), ("home/c", 0o500), ("home/d/e/f", 0o300)):
                (root / folder).mkdir(parents=True)
                (root / folder / "file").touch()
                (root / folder).chmod(mode)
            for folder in ("home/d/e", "home/a", "home"):
                (root / folder).chmod(0)
            with pytest.raises(PermissionError):
                list((root / "home").iterdir())
            assert remove(root)

        as_nobody(work)
        assert list(root.iterdir()) == []


def test_all_homes_of_a_workspace_go_with_the_notes_on_them(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "homes").symlink_to(tmp_path / "disk")
    homes = Homes(tmp_path / "homes")
    homes.remove("wsp_1")
    for runtime in ("codex", "gemini"):
        home = homes.ensure("wsp_1", runtime)
        (home / "link").symlink_to(victim)
        homes.remember("wsp_1", runtime, {"x": 1})
    other = homes.ensure("wsp_2", "codex")
    homes.remove_one("wsp_1", "gemini")
    assert sorted(path.name for path in (tmp_path / "disk" / "wsp_1").iterdir()) == [
        "codex",
        "codex.json",
        "gemini.json",
    ]
    homes.remove("wsp_1")
    homes.remove("wsp_1")
    assert list((tmp_path / "disk").iterdir()) == [tmp_path / "disk" / "wsp_2"]
    assert other.is_dir()
