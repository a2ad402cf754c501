"""What a turn left behind, whatever the agent did to its repository meanwhile."""

import os
import subprocess
from pathlib import Path

import pytest

from codara.adapters.workspaces import diff as diffs
from codara.adapters.workspaces.trees import EMPTY_TREE
from codara.application.ports.workspaces import Diff
from tests.processes import forget_highest, highest_memory_of, memory_of

LOST = Diff(files=(), patch="", truncated=True)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def told(diff: Diff) -> list[tuple[str, str, int, int]]:
    return [(each.path, each.status, each.added, each.deleted) for each in diff.files]


async def test_nothing_changed_is_an_empty_diff(workspace):
    bench = await workspace()
    (bench.folder / "a").write_text("x")
    base = await bench.snapshot()
    diff = await bench.since(base)
    assert diff == Diff(files=(), patch="", truncated=False)


async def test_every_kind_of_change_has_its_status(workspace):
    bench = await workspace()
    folder = bench.folder
    lines = "".join(f"{number}\n" for number in range(30))
    for name in ("changed", "gone", "moved", "mode", "kind", "binary"):
        (folder / name).write_text(name + "\n" + lines)
    base = await bench.snapshot()
    (folder / "changed").write_text("other\n" + lines)
    (folder / "gone").unlink()
    (folder / "dir").mkdir()
    (folder / "moved").rename(folder / "dir" / "here")
    (folder / "mode").chmod(0o755)
    (folder / "kind").unlink()
    (folder / "kind").symlink_to("changed")
    (folder / "binary").write_bytes(b"\0\1\2")
    (folder / "new").write_text("new\n")
    diff = await bench.since(base)
    assert told(diff) == [
        ("binary", "modified", 0, 0),
        ("changed", "modified", 1, 1),
        ("dir/here", "renamed", 0, 0),
        ("gone", "deleted", 0, 31),
        ("kind", "type_changed", 1, 31),
        ("mode", "mode_changed", 0, 0),
        ("new", "added", 1, 0),
    ]
    by_path = {each.path: each for each in diff.files}
    assert by_path["dir/here"].old_path == "moved"
    assert by_path["binary"].binary
    assert "old mode 100644\nnew mode 100755\n" in diff.patch


async def test_git_can_apply_the_patch(workspace, tmp_path: Path):
    bench = await workspace()
    copy = tmp_path / "copy"
    copy.mkdir()
    for folder in (bench.folder, copy):
        (folder / "a b").write_text("one\ntwo\n")
        (folder / "ü").write_text("x")
        (folder / "kind").write_text("x\n")
    base = await bench.snapshot()
    (bench.folder / "a b").write_text("one\n2\n")
    (bench.folder / "ü").rename(bench.folder / "ö")
    (bench.folder / "kind").unlink()
    (bench.folder / "kind").symlink_to("a b")
    (bench.folder / "new").write_text("no end of line")
    (bench.folder / "empty").write_text("")
    diff = await bench.since(base)
    (tmp_path / "patch").write_text(diff.patch)
    git(copy, "apply", str(tmp_path / "patch"))
    assert (copy / "a b").read_text() == "one\n2\n"
    assert (copy / "ö").read_text() == "x"
    assert (copy / "kind").is_symlink()
    assert (copy / "new").read_text() == "no end of line"


@pytest.mark.parametrize("deed", ["commit", "reset", "branch", "remove", "stash"])
async def test_commits_resets_and_branches_do_not_matter(workspace, deed: str):
    bench = await workspace()
    folder = bench.folder
    git(folder, "init", "-q")
    (folder / "a").write_text("one\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    base = await bench.snapshot()
    if deed == "reset":
        (folder / "b").write_text("b\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "lost")
        git(folder, "reset", "-q", "--hard", "HEAD~1")
    (folder / "a").write_text("two\n")
    if deed == "commit":
        git(folder, "commit", "-qam", "second")
    if deed == "branch":
        git(folder, "checkout", "-q", "-b", "other")
        git(folder, "commit", "-qam", "second")
    if deed == "remove":
        subprocess.run(["rm", "-rf", str(folder / ".git")], check=True)
    if deed == "stash":
        git(folder, "stash", "-q")
        git(folder, "stash", "pop", "-q")
    assert told(await bench.since(base)) == [("a", "modified", 1, 1)]


async def test_names_on_the_ignore_list_are_not_seen(workspace):
    bench = await workspace(ignore=frozenset({"node_modules"}))
    base = await bench.snapshot()
    (bench.folder / "node_modules" / "x").mkdir(parents=True)
    (bench.folder / "node_modules" / "x" / "y").write_text("y")
    assert await bench.snapshot() == base


async def test_a_patch_is_cut_at_the_end_of_a_line(workspace):
    bench = await workspace(max_diff_bytes=300)
    base = await bench.snapshot()
    (bench.folder / "a").write_text("ä\n" * 20)
    (bench.folder / "b").write_text("b\n" * 200)
    diff = await bench.since(base)
    assert diff.truncated
    assert len(diff.patch.encode()) <= 300
    assert diff.patch.endswith("\n")
    assert [each.added for each in diff.files] == [20, 200]


@pytest.mark.parametrize("number", [20, 200])
async def test_a_diff_takes_little_memory_however_much_has_changed(workspace, number: int):
    bench = await workspace()
    base = await bench.snapshot()
    for each in range(number):
        (bench.folder / f"f{each:03}").write_text(f"{each} is a line\n" * 40_000)
    final = await bench.snapshot()
    own = os.getpid()
    before = memory_of(own)
    forget_highest(own)
    diff = await bench.diff(base.tree, final.tree)
    assert diff.truncated
    assert len(diff.patch.encode()) <= 1 << 20
    assert len(diff.files) == number
    assert highest_memory_of(own) - before < 100 << 20


@pytest.mark.parametrize("seconds", [30.0, 0.0])
async def test_a_large_diff_is_made_elsewhere_or_told_in_short(
    workspace, seconds: float, monkeypatch: pytest.MonkeyPatch
):
    bench = await workspace()
    (bench.folder / "gone").write_text("unlike the others\n")
    base = await bench.snapshot()
    (bench.folder / "gone").rename(bench.folder / "zmoved")
    for number in range(diffs.SMALL_FILES + 1):
        (bench.folder / f"f{number:03}").write_text("x\n" * number)
    final = await bench.snapshot()
    later = await workspace(seconds=seconds)
    diff = await later.diff(base.tree, final.tree)
    if seconds:
        assert len(diff.files) == diffs.SMALL_FILES + 2
        assert diff.files[-1].status == "renamed"
        assert diff.files[5].added == 5
        assert not diff.truncated
    else:
        assert diff.truncated
        assert diff.patch == ""
        assert told(diff)[-2:] == [("gone", "deleted", 0, 0), ("zmoved", "added", 0, 0)]
    assert [each.path for each in diff.files] == sorted(each.path for each in diff.files)


async def test_a_tree_that_is_not_in_the_store_leaves_nothing_to_tell(workspace):
    bench = await workspace()
    base = await bench.snapshot()
    for missing in ("1" * 40, "nonsense", ""):
        assert await bench.diff(base.tree, missing) == LOST


@pytest.mark.parametrize("emptied", [True, False])
async def test_a_store_that_lost_an_object_is_filled_again(workspace, emptied: bool):
    bench = await workspace()
    (bench.folder / "a").write_text("one\n")
    lost = await bench.snapshot()
    file = bench.store / "objects" / lost.tree[:2] / lost.tree[2:]
    file.unlink()
    if emptied:
        file.touch()
    assert await bench.diff(EMPTY_TREE, lost.tree) == LOST
    again = await bench.snapshot()
    assert again.tree == lost.tree
    assert told(await bench.diff(EMPTY_TREE, lost.tree)) == [("a", "added", 1, 0)]
