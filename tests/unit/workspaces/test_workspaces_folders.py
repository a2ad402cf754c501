"""Folders: limits, restarts, and many at once."""

import asyncio
import threading
from pathlib import Path

import pytest

from codara.adapters.workspaces import files
from codara.adapters.workspaces.folders import Folders
from codara.adapters.workspaces.walker import Walk, WalkLimits
from codara.errors import ShuttingDown, WorkspaceAccessDenied


@pytest.mark.parametrize("user", ["", "..", "a/b", ".", "a\0", "é"])
async def test_a_user_id_is_one_plain_name(workspace, user: str):
    bench = await workspace()
    with pytest.raises(WorkspaceAccessDenied):
        bench.folders.folder(user, "app")


async def test_labels_are_flat_folders_of_their_user(workspace):
    bench = await workspace()
    root = bench.scratch / "root"
    assert bench.folders.folder("usr_1", "team/app") == root / "usr_1" / "team%2Fapp"


async def test_more_files_than_allowed_leave_out_the_same_ones_each_time(workspace):
    bench = await workspace(max_files=10)
    for number in range(15):
        (bench.folder / f"f{number:02}").write_text("x")
    first = await bench.snapshot()
    assert first.partial == ("max_files",)
    assert first.files <= 10
    assert await bench.snapshot() == first


async def test_folders_count_like_files(workspace):
    bench = await workspace(max_files=10)
    for number in range(15):
        (bench.folder / f"d{number:02}" / "e").mkdir(parents=True)
    assert (await bench.snapshot()).partial == ("max_files",)


async def test_more_bytes_than_allowed_leave_files_out(workspace):
    bench = await workspace(max_bytes=250)
    for number in range(5):
        (bench.folder / f"f{number}").write_text("x" * 100)
    first = await bench.snapshot()
    assert (first.files, first.bytes, first.partial) == (2, 200, ("max_bytes",))
    assert await bench.snapshot() == first


async def test_no_time_left_is_a_partial_snapshot(workspace):
    bench = await workspace(seconds=0.0)
    (bench.folder / "f").write_text("x")
    assert (await bench.snapshot()).partial == ("time",)


async def test_a_restart_reads_no_file_again(workspace, monkeypatch: pytest.MonkeyPatch):
    first = await workspace()
    (first.folder / "f").write_text("x")
    before = await first.snapshot()
    await until_trusted(first)
    await first.folders.close()

    def nobody_reads(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(files, "read_content", nobody_reads)
    assert await (await workspace()).snapshot() == before


async def until_trusted(bench) -> None:
    """A file is read again as long as it was changed a moment ago."""
    read: list[int] = []
    original = Walk.take
    with pytest.MonkeyPatch.context() as patch:

        def counted(self: Walk, *arguments: object) -> object:
            found = original(self, *arguments)
            read.append(self.read)
            return found

        patch.setattr(Walk, "take", counted)
        while not read or read[-1]:
            await bench.snapshot()


async def test_a_lost_stat_cache_changes_nothing_but_the_effort(workspace):
    first = await workspace()
    (first.folder / "f").write_text("x")
    before = await first.snapshot()
    await first.folders.close()
    (first.store / "codara-known").unlink()
    assert await (await workspace()).snapshot() == before


@pytest.mark.parametrize("bounds", [{"open_stores": 3}, {"cached_files": 3}])
async def test_only_so_many_workspaces_stay_open(tmp_path: Path, bounds: dict[str, int]):
    folders = Folders(tmp_path / "root", tmp_path / "trees", **bounds)
    trees = []
    for number in range(8):
        folder = folders.folder("usr_1", f"w{number}")
        await folders.provision(f"wsp_{number}", folder)
        (folder / "f").write_text(f"{number}")
        trees.append((await folders.snapshot(f"wsp_{number}", folder)).tree)
    assert len(folders._places._open) <= 3
    for number in range(8):
        folder = folders.folder("usr_1", f"w{number}")
        assert (await folders.snapshot(f"wsp_{number}", folder)).tree == trees[number]
    await folders.close()


async def test_one_workspace_is_walked_once_at_a_time_and_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folders = Folders(tmp_path / "root", tmp_path / "trees", workers=4)
    places = {f"wsp_{n}": folders.folder("usr_1", f"w{n}") for n in range(2)}
    for workspace_id, folder in places.items():
        await folders.provision(workspace_id, folder)
    both_walk = threading.Barrier(2, timeout=20)
    walking: set[int] = set()
    original = Walk.take

    def watched(self: Walk, root: int, known: object) -> object:
        assert id(self._store) not in walking
        walking.add(id(self._store))
        both_walk.wait()
        found = original(self, root, known)
        walking.discard(id(self._store))
        return found

    monkeypatch.setattr(Walk, "take", watched)
    tasks = [folders.snapshot(*place) for place in places.items() for _ in range(3)]
    found = await asyncio.gather(*tasks)
    assert {each.partial for each in found} == {()}
    await folders.close()


async def test_a_cancelled_snapshot_ends_and_the_next_one_waits_for_it(
    workspace, monkeypatch: pytest.MonkeyPatch
):
    bench = await workspace()
    (bench.folder / "f").write_text("x")
    begun, go_on = threading.Event(), threading.Event()
    original = files.read_content

    def slow(*arguments) -> bytes:
        begun.set()
        assert go_on.wait(20)
        arguments[-1]()
        return original(*arguments)

    monkeypatch.setattr(files, "read_content", slow)
    task = asyncio.create_task(bench.snapshot())
    assert await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    following = asyncio.create_task(bench.snapshot())
    go_on.set()
    assert (await following).files == 1


async def test_closing_stops_what_runs_and_refuses_what_comes(
    workspace, monkeypatch: pytest.MonkeyPatch
):
    bench = await workspace()
    (bench.folder / "f").write_text("x")
    begun, go_on = threading.Event(), threading.Event()

    def slow(name: str, folder: int, keep: int, check) -> bytes:
        begun.set()
        assert go_on.wait(20)
        check()
        return b""

    monkeypatch.setattr(files, "read_content", slow)
    running = asyncio.create_task(bench.snapshot())
    assert await asyncio.to_thread(begun.wait, 20)
    closing = asyncio.create_task(bench.folders.close())
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(ShuttingDown):
        await running
    await closing
    with pytest.raises(ShuttingDown):
        await bench.snapshot()


async def test_a_removed_workspace_leaves_no_tree_behind(workspace):
    bench = await workspace()
    (bench.folder / "f").write_text("x")
    await bench.snapshot()
    await bench.folders.remove("wsp_1")
    assert not bench.store.exists()
    assert (await bench.snapshot()).files == 1


def test_the_limits_are_those_of_the_contract():
    limits = WalkLimits()
    assert (limits.max_files, limits.max_bytes) == (200_000, 10 << 30)
    assert (limits.max_file_bytes, limits.max_diff_bytes) == (16 << 20, 1 << 20)
