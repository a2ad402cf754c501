"""Everything an agent may plant in its folder to hurt whoever looks at it."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from codara.adapters.workspaces.folders import Folders
from codara.application.ports.workspaces import Diff
from codara.errors import WorkspaceAccessDenied


def statuses(diff: Diff) -> dict[str, str]:
    return {change.path: change.status for change in diff.files}


async def test_a_link_to_a_secret_is_its_text_and_nothing_more(workspace, tmp_path: Path):
    bench = await workspace()
    secret = tmp_path / "secret"
    secret.write_text("TOP SECRET")
    base = await bench.snapshot()
    (bench.folder / "shadow").symlink_to("/etc/shadow")
    (bench.folder / "secret").symlink_to(secret)
    (bench.folder / "outside").symlink_to(tmp_path)
    (bench.folder / "self").symlink_to(".")
    diff = await bench.since(base)
    assert statuses(diff) == dict.fromkeys(["outside", "secret", "self", "shadow"], "added")
    assert "+/etc/shadow\n" in diff.patch
    assert "TOP SECRET" not in diff.patch
    assert "root:" not in diff.patch


async def test_pipes_and_sockets_are_never_opened(workspace):
    bench = await workspace()
    base = await bench.snapshot()
    os.mkfifo(bench.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(bench.folder / "socket"))
        final = await bench.snapshot()
    assert final == base


async def test_git_folders_at_any_depth_are_left_alone(workspace, tmp_path: Path):
    bench = await workspace()
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    base = await bench.snapshot()
    (bench.folder / "nested").mkdir()
    (bench.folder / ".git").write_text(f"gitdir: {other}/.git\n")
    (bench.folder / "nested" / ".git").symlink_to(other / ".git")
    (bench.folder / "nested" / "file").write_text("mine\n")
    subprocess.run(["git", "init", "-q", str(bench.folder / "inner")], check=True)
    assert statuses(await bench.since(base)) == {"nested/file": "added"}


async def test_nothing_that_a_repository_configures_is_run(workspace, tmp_path: Path):
    bench = await workspace()
    ran = tmp_path / "ran"
    script = bench.folder / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    subprocess.run(["git", "init", "-q", str(bench.folder)], check=True)
    with (bench.folder / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {script}\n\thooksPath = {bench.folder}\n")
        config.write(f'[filter "x"]\n\tprocess = {script}\n\tclean = {script}\n\trequired\n')
        config.write(f'[diff "x"]\n\ttextconv = {script}\n\tcommand = {script}\n')
    (bench.folder / ".gitattributes").write_text("* filter=x diff=x\n*.bin -diff\n")
    base = await bench.snapshot()
    (bench.folder / "a.bin").write_text("text after all\n")
    (bench.folder / "crlf.txt").write_bytes(b"one\r\n")
    diff = await bench.since(base)
    assert statuses(diff) == {"a.bin": "added", "crlf.txt": "added"}
    assert "+text after all" in diff.patch
    assert "+one\r\n" in diff.patch
    assert not ran.exists()


async def test_another_users_objects_cannot_be_borrowed(workspace, tmp_path: Path):
    bench = await workspace()
    subprocess.run(["git", "init", "-q", str(bench.folder)], check=True)
    alternates = bench.folder / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text(f"{tmp_path}/victim/objects\n")
    assert (await bench.snapshot()).files == 0
    assert not (bench.store / "objects" / "info" / "alternates").exists()


async def test_thousands_of_nested_folders_end_at_the_depth_limit(workspace):
    bench = await workspace()
    (bench.folder / "seen").write_text("x")
    fd = os.open(bench.folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("deep", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    found = await bench.snapshot()
    subprocess.run(["rm", "-rf", str(bench.folder / "d")], check=True)
    assert found.partial == ("depth",)
    assert found.files == 1


async def test_a_terabyte_of_nothing_is_not_read(workspace):
    bench = await workspace()
    base = await bench.snapshot()
    with (bench.folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    first = await bench.snapshot()
    (change,) = (await bench.diff(base.tree, first.tree)).files
    assert (change.status, change.binary) == ("added", True)
    assert first.partial == ()
    with (bench.folder / "sparse").open("r+b") as file:
        file.write(b"x")
    assert statuses(await bench.since(first)) == {"sparse": "modified"}


async def test_a_file_too_large_to_keep_is_known_by_its_digest(workspace):
    bench = await workspace(max_file_bytes=1000)
    file = bench.folder / "large"
    file.write_bytes(b"a" * 5000)
    first = await bench.snapshot()
    file.write_bytes(b"a" * 5000)
    assert (await bench.snapshot()).tree == first.tree
    file.write_bytes(b"a" * 4999 + b"b")
    diff = await bench.since(first)
    assert diff.files[0].binary
    assert "Binary files a/large and b/large differ" in diff.patch


async def test_names_that_are_no_text_are_kept_as_bytes(workspace):
    bench = await workspace()
    base = await bench.snapshot()
    raw = os.fsencode(bench.folder) + b"/bad\xff\xfename"
    Path(os.fsdecode(raw)).write_bytes(b"latin \xe4\n")
    diff = await bench.since(base)
    (change,) = diff.files
    assert change.path == "bad\\xff\\xfename"
    assert change.path_b64 == "YmFk//5uYW1l"
    assert "+latin \\xe4" in diff.patch
    diff.patch.encode()


AS_NOBODY = """
import os, sys
from pathlib import Path
from threading import Event
from codara.adapters.workspaces.trees import TreeStore
from codara.adapters.workspaces.walker import Walk, WalkLimits

store = TreeStore(Path(sys.argv[2]))
for folder, _, _ in os.walk(sys.argv[2]):
    Path(folder).chmod(0o777)
root = os.open(sys.argv[1], os.O_RDONLY)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
walk = Walk(store, WalkLimits(), Event())
walk.take(root, None)
print(walk.files, *walk.partial)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can look through another user's eyes")
async def test_what_may_not_be_read_makes_the_snapshot_partial(workspace):
    bench = await workspace()
    bench.folder.chmod(0o755)
    (bench.folder / "open").write_text("x")
    (bench.folder / "closed").write_text("x")
    (bench.folder / "closed").chmod(0)
    (bench.folder / "room").mkdir(mode=0)
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o711)
        command = [sys.executable, "-c", AS_NOBODY, str(bench.folder), f"{scratch}/store.git"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "unreadable"], done.stderr


async def test_a_folder_that_became_a_link_is_refused(workspace, tmp_path: Path):
    bench = await workspace()
    bench.folder.rmdir()
    bench.folder.symlink_to(tmp_path)
    with pytest.raises(WorkspaceAccessDenied):
        await bench.snapshot()
    with pytest.raises(WorkspaceAccessDenied) as refused:
        await bench.folders.provision("wsp_1", bench.folder)
    assert only_operators_see(refused.value, bench.folder)


@pytest.mark.parametrize("path", ["", "usr_1", "usr_1/a/b", "usr_1/..", "../x"])
async def test_only_folders_two_steps_below_the_root_are_workspaces(workspace, path: str):
    bench = await workspace()
    folder = bench.scratch / "root" / path
    with pytest.raises(WorkspaceAccessDenied) as refused:
        await bench.folders.snapshot("wsp_1", folder)
    assert only_operators_see(refused.value, folder)


def only_operators_see(error: WorkspaceAccessDenied, folder: Path) -> bool:
    """Whether the error names the folder in its detail, and nothing of the host to callers."""
    return str(folder) in error.detail and "/" not in error.message


async def test_a_folder_that_is_gone_is_an_empty_tree(workspace):
    bench = await workspace()
    (bench.folder / "a").write_text("x")
    base = await bench.snapshot()
    (bench.folder / "a").unlink()
    bench.folder.rmdir()
    found = await bench.snapshot()
    assert found.partial == ("missing",)
    assert statuses(await bench.diff(base.tree, found.tree)) == {"a": "deleted"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
async def test_the_folder_belongs_to_the_agents_and_its_parents_to_us(tmp_path: Path):
    folders = Folders(tmp_path / "root", tmp_path / "trees", owner=(10001, 10002))
    folder = folders.folder("usr_1", "app")
    await folders.provision("wsp_1", folder)
    await folders.provision("wsp_1", folder)
    await folders.close()
    seen = folder.stat()
    assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (10001, 10002, 0o700)
    assert folder.parent.stat().st_uid == 0
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o711
