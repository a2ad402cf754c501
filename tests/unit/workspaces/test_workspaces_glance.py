"""A glance: an unchanged small folder is recognised at once, and everything else is left alone."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from codara.adapters.workspaces import files, glance
from codara.adapters.workspaces.folders import Folders
from codara.adapters.workspaces.known import Directory
from codara.adapters.workspaces.trees import TreeStore
from codara.adapters.workspaces.walker import Walk, WalkLimits

PATIENT = WalkLimits()


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not decide what these tests see."""
    monkeypatch.setattr(glance, "SECONDS", 60.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some files, one of them below, and a folder with nothing in it."""
    folder = tmp_path / "work"
    (folder / "src").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "README").write_text("hello")
    (folder / "src" / "main.py").write_text("pass")
    return folder


def opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def walked(
    folder: Path, store: TreeStore, known: Directory | None = None
) -> tuple[Walk, Directory]:
    walk = Walk(store, PATIENT, Event())
    found = walk.take(opened(folder), known)
    store.flush()
    return walk, found


def trusted(folder: Path) -> Directory:
    """What a walk knows of the folder once no file of it was changed a moment ago."""
    store = TreeStore(folder.parent / "store.git")
    walk, found = walked(folder, store)
    while walk.read:
        walk, found = walked(folder, store, found)
    return found


def test_an_unchanged_folder_is_recognised(folder: Path):
    seen = glance.unchanged(opened(folder), trusted(folder), glance.bounds(PATIENT))
    assert seen is not None
    assert (seen.files, seen.bytes, seen.read, seen.partial) == (2, 9, 0, {})


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "new").write_text("x"),
        lambda folder: (folder / "src" / "new").write_text("x"),
        lambda folder: (folder / "README").write_text("HELLO"),
        lambda folder: (folder / "README").chmod(0o700),
        lambda folder: (folder / "README").unlink(),
        lambda folder: (folder / "src" / "main.py").rename(folder / "main.py"),
        lambda folder: (folder / "other").mkdir(),
        lambda folder: (folder / "empty").rmdir(),
        lambda folder: (folder / "link").symlink_to("README"),
    ],
)
def test_whatever_changed_is_not_recognised(folder: Path, change: Callable[[Path], object]):
    known = trusted(folder)
    change(folder)
    assert glance.unchanged(opened(folder), known, glance.bounds(PATIENT)) is None


def test_a_changed_file_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    known = trusted(folder)
    (folder / "README").write_text("HELLO")

    def nobody_reads(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(files, "read_content", nobody_reads)
    assert glance.unchanged(opened(folder), known, glance.bounds(PATIENT)) is None


def test_a_folder_of_many_files_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch):
    known = trusted(folder)
    monkeypatch.setattr(glance, "MOST_FILES", 1)
    assert glance.unchanged(opened(folder), known, glance.bounds(PATIENT)) is None


def test_a_glance_that_takes_long_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch):
    known = trusted(folder)
    monkeypatch.setattr(glance, "SECONDS", 0.0)
    assert glance.unchanged(opened(folder), known, glance.bounds(PATIENT)) is None


def test_no_descriptor_stays_open(folder: Path):
    known = trusted(folder)
    before = open_descriptors()
    glance.unchanged(opened(folder), known, glance.bounds(PATIENT))
    (folder / "src" / "new").write_text("x")
    glance.unchanged(opened(folder), known, glance.bounds(PATIENT))
    assert open_descriptors() == before


async def test_an_unchanged_workspace_waits_for_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folders = Folders(tmp_path / "root", tmp_path / "trees", workers=1)
    quiet, busy = (folders.folder("usr_1", label) for label in ("quiet", "busy"))
    await folders.provision("wsp_quiet", quiet)
    await folders.provision("wsp_busy", busy)
    before = await folders.snapshot("wsp_quiet", quiet)
    (busy / "f").write_text("x")
    go_on = threading.Event()
    monkeypatch.setattr(files, "read_content", lambda *_: b"x" * go_on.wait(20))
    walking = asyncio.create_task(folders.snapshot("wsp_busy", busy))
    try:
        assert await folders.snapshot("wsp_quiet", quiet) == before
        assert not walking.done()
    finally:
        go_on.set()
        await walking
        await folders.close()
