"""Uploaded files in a workspace: put there, never seen in a diff, taken away."""

import errno
import os

import pytest

from codara.adapters.workspaces.folders import Folders
from codara.application.ports.workspaces import Upload
from codara.errors import WorkspaceAccessDenied

BELOW = ".codara/uploads/trn_1"
FILES = (Upload("a.txt", b"one"), Upload("b.bin", bytes(300_000)))


async def test_files_are_put_where_the_prompt_says(workspace):
    bench = await workspace()
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    assert (bench.folder / BELOW / "a.txt").read_bytes() == b"one"
    assert (bench.folder / BELOW / "b.bin").read_bytes() == FILES[1].data


async def test_no_snapshot_holds_them(workspace):
    bench = await workspace()
    before = await bench.snapshot()
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    assert (await bench.snapshot()).tree == before.tree


async def test_taking_them_away_leaves_nothing_of_ours(workspace):
    bench = await workspace()
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    await bench.folders.unstage("wsp_1", bench.folder, BELOW)
    assert list(bench.folder.iterdir()) == []
    await bench.folders.unstage("wsp_1", bench.folder, BELOW)


async def test_what_else_lies_there_stays(workspace):
    bench = await workspace()
    (bench.folder / ".codara").mkdir()
    (bench.folder / ".codara" / "notes").write_text("mine")
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    await bench.folders.unstage("wsp_1", bench.folder, BELOW)
    assert [path.name for path in (bench.folder / ".codara").iterdir()] == ["notes"]


async def test_files_of_a_lost_turn_are_replaced(workspace):
    bench = await workspace()
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    await bench.folders.stage("wsp_1", bench.folder, BELOW, (Upload("c.txt", b"three"),))
    visible = {path.name for path in (bench.folder / BELOW).iterdir()}
    assert visible == {".gitignore", "c.txt"}


@pytest.mark.parametrize("at", [".codara", ".codara/uploads"])
async def test_no_link_is_followed(workspace, at, tmp_path):
    bench = await workspace()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = bench.folder / at
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(WorkspaceAccessDenied, match="remove it"):
        await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    assert list(elsewhere.iterdir()) == []


async def test_a_link_in_place_of_the_folder_is_removed_not_followed(workspace, tmp_path):
    bench = await workspace()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keep").write_text("kept")
    link = bench.folder / BELOW
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    assert (elsewhere / "keep").read_text() == "kept"
    assert not (bench.folder / BELOW).is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_the_agents_own_them(tmp_path):
    folders = Folders(tmp_path / "root", tmp_path / "trees", owner=(10001, 10001))
    folder = folders.folder("usr_1", "app")
    await folders.provision("wsp_1", folder)
    await folders.stage("wsp_1", folder, BELOW, FILES)
    owned = [folder / ".codara", folder / BELOW, folder / BELOW / "a.txt"]
    assert {path.stat().st_uid for path in owned} == {10001}
    await folders.close()


async def test_a_workspace_that_was_removed_is_named(workspace):
    bench = await workspace()
    bench.folder.rmdir()
    with pytest.raises(WorkspaceAccessDenied, match="was removed"):
        await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
async def test_what_an_agent_forbade_is_named_with_its_remedy(workspace, monkeypatch, number):
    bench = await workspace()
    with monkeypatch.context() as forbidden:
        forbidden.setattr(os, "mkdir", Refusing(number))
        with pytest.raises(WorkspaceAccessDenied, match="permissions back"):
            await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)


async def test_trouble_of_the_machine_is_not_the_callers(workspace, monkeypatch):
    bench = await workspace()
    with monkeypatch.context() as busy:
        busy.setattr(os, "mkdir", Refusing(errno.EMFILE))
        with pytest.raises(OSError, match="refused") as raised:
            await bench.folders.stage("wsp_1", bench.folder, BELOW, FILES)
    assert raised.value.errno == errno.EMFILE


class Refusing:
    """A system call that fails with `number`."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, *_: object, **__: object) -> None:
        raise OSError(self.number, "refused")
