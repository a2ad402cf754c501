"""Giving owners back what a `chmod` took."""

import os
import stat
from pathlib import Path
from threading import Event

import pytest

from codara.adapters.mending import Mending, MendLimits, mend

PATIENT = MendLimits()


def mended(folder: Path, limits: MendLimits = PATIENT, stop: Event | None = None) -> Mending:
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return mend(place, limits, stop)
    finally:
        os.close(place)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "deep" / "deeper" / "file").write_text("kept")
    return folder


def test_what_is_usable_is_left_as_it_is(folder: Path) -> None:
    (folder / "deep").chmod(0o755)
    (folder / "deep" / "deeper" / "file").chmod(0o640)
    assert mended(folder) == Mending()
    assert mode(folder / "deep") == 0o755
    assert mode(folder / "deep" / "deeper" / "file") == 0o640


def test_all_that_was_shut_is_opened_for_its_owner_alone(folder: Path) -> None:
    places = [folder, folder / "deep", folder / "deep/deeper", folder / "deep/deeper/file"]
    for each in reversed(places):
        each.chmod(0)
    assert mended(folder) == Mending(folders=3, files=1)
    assert [mode(each) for each in places] == [0o700, 0o700, 0o700, 0o600]
    assert places[-1].read_text() == "kept"


def test_no_link_is_followed_and_nothing_special_is_touched(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o500)
    (folder / "link").symlink_to(victim)
    os.mkfifo(folder / "pipe", 0)
    assert mended(folder) == Mending()
    assert (mode(victim), mode(folder / "pipe")) == (0o500, 0)


@pytest.mark.parametrize(
    "limits", [MendLimits(entries=1), MendLimits(depth=2), MendLimits(seconds=-1)]
)
def test_it_is_partial_beyond_its_bounds(folder: Path, limits: MendLimits) -> None:
    assert mended(folder, limits).partial


def test_it_ends_early_when_it_is_told_to(folder: Path) -> None:
    stop = Event()
    stop.set()
    assert mended(folder, stop=stop).partial
