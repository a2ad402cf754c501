"""Workspaces that their agents made unusable."""

import shutil
import stat

import pytest

from codara.errors import WorkspaceAccessDenied


async def test_a_workspace_that_was_shut_can_be_read_again(workspace) -> None:
    bench = await workspace()
    (bench.folder / "deep").mkdir()
    (bench.folder / "deep" / "a.txt").write_text("kept")
    for place in (bench.folder / "deep" / "a.txt", bench.folder / "deep", bench.folder):
        place.chmod(0)
    done = await bench.folders.repair("wsp_1", bench.folder)
    assert (done.folders, done.files, done.left, done.partial) == (2, 1, 0, False)
    assert stat.S_IMODE(bench.folder.stat().st_mode) == 0o700
    found = await bench.snapshot()
    assert (found.files, found.partial) == (1, ())


async def test_a_workspace_that_is_gone_is_made_again(workspace) -> None:
    bench = await workspace()
    shutil.rmtree(bench.folder)
    assert (await bench.folders.repair("wsp_1", bench.folder)).folders == 1
    assert bench.folder.is_dir()


async def test_a_repair_looks_no_further_than_a_snapshot(workspace) -> None:
    bench = await workspace(max_files=2)
    for name in "abc":
        (bench.folder / name).write_text(name)
    assert (await bench.folders.repair("wsp_1", bench.folder)).partial


async def test_only_a_workspace_is_repaired(workspace, tmp_path) -> None:
    bench = await workspace()
    with pytest.raises(WorkspaceAccessDenied):
        await bench.folders.repair("wsp_1", tmp_path)
