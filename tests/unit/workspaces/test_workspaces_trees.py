"""Trees are those that git itself would write."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from threading import Event

from hypothesis import given, settings
from hypothesis import strategies as st

from codara.adapters.workspaces import known
from codara.adapters.workspaces.known import NOTHING, Directory
from codara.adapters.workspaces.packs import LOOSE_AT_MOST
from codara.adapters.workspaces.trees import EMPTY_TREE, TreeStore, shield_from_host_config
from codara.adapters.workspaces.walker import Walk, WalkLimits

NO_CONFIG = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **NO_CONFIG}


def git(folder: Path | str, *arguments: str) -> str:
    command = ["git", "-c", "core.autocrlf=false", "-c", "core.attributesFile=/dev/null"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def walked(
    store: TreeStore, folder: Path, before: Directory | None = None
) -> tuple[Walk, Directory]:
    shield_from_host_config()
    walk = Walk(store, WalkLimits(), Event())
    found = walk.take(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), before)
    store.flush()
    return walk, found


def hexed(found: Directory) -> str:
    return EMPTY_TREE if found.tree == NOTHING else found.tree.hex()


names = st.binary(min_size=1, max_size=6).filter(
    lambda name: (
        b"/" not in name and b"\0" not in name and name not in {b".", b".."} and b"~" not in name
        and not name.lower().startswith(b".git")
    )
)  # fmt: skip
leaves = (
    st.tuples(st.just("file"), st.binary(max_size=30), st.booleans())
    | st.tuples(st.just("link"), st.binary(min_size=1, max_size=9).filter(lambda t: b"\0" not in t))
)  # fmt: skip
folders = st.recursive(
    st.dictionaries(names, leaves, max_size=4),
    lambda below: st.dictionaries(names, leaves | below, max_size=4),
    max_leaves=12,
)


def build(at: Path, content: dict) -> None:
    at.mkdir(parents=True, exist_ok=True)
    for name, what in content.items():
        path = at / os.fsdecode(name)
        if isinstance(what, dict):
            build(path, what)
        elif what[0] == "link":
            path.symlink_to(os.fsdecode(what[1]))
        else:
            path.write_bytes(what[1])
            path.chmod(0o755 if what[2] else 0o644)


@settings(max_examples=60, deadline=None)
@given(folders, folders)
def test_every_tree_id_is_gits_own(first: dict, second: dict):
    with tempfile.TemporaryDirectory() as scratch:
        store = TreeStore(Path(scratch) / "store.git")
        folder, repository = Path(scratch) / "work", Path(scratch) / "repository"
        build(folder, first)
        _, found = walked(store, folder)
        git(scratch, "init", "-q", "--bare", str(repository))
        assert hexed(found) == tree_by_git(repository, folder)
        shutil.rmtree(folder)
        build(folder, second)
        _, found = walked(store, folder, found)
        assert hexed(found) == tree_by_git(repository, folder)
        git(store.folder, "fsck", "--strict")


def tree_by_git(repository: Path, folder: Path) -> str:
    place = [f"--git-dir={repository}", f"--work-tree={folder}"]
    git(folder, *place, "add", "-A", "-f", ".")
    return git(folder, *place, "write-tree")


def test_many_objects_become_one_pack_that_git_can_read(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    folder = tmp_path / "work"
    for number in range(LOOSE_AT_MOST + 50):
        below = folder / str(number % 7)
        below.mkdir(parents=True, exist_ok=True)
        (below / str(number)).write_text("x" * number * 50)
    _, found = walked(store, folder)
    assert len(list(store.folder.glob("objects/pack/*.pack"))) == 1
    assert len(git(store.folder, "ls-tree", "-r", hexed(found)).splitlines()) == LOOSE_AT_MOST + 50
    git(store.folder, "fsck", "--strict")
    (pack,) = store.folder.glob("objects/pack/*.idx")
    git(store.folder, "verify-pack", str(pack))
    assert git(store.folder, "cat-file", "-p", f"{hexed(found)}:1/302") == "x" * 302 * 50
    assert store.size(found.tree) > 0


def test_what_a_pack_holds_is_not_written_again(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    folder = tmp_path / "work"
    folder.mkdir()
    for number in range(2 * LOOSE_AT_MOST):
        (folder / str(number)).write_text(f"{number}")
    walked(store, folder)
    before = sorted(store.folder.rglob("*.pack"))
    again = TreeStore(store.folder)
    walked(again, folder)
    assert sorted(store.folder.rglob("*.pack")) == before


def test_an_abandoned_pack_leaves_nothing_to_see(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    for number in range(LOOSE_AT_MOST + 5):
        store.put(b"blob", b"%d" % number)
    store.abandon()
    assert not list(store.folder.glob("objects/pack/pack-*"))
    store.put(b"blob", b"next")
    store.flush()
    git(store.folder, "fsck", "--strict")


@settings(max_examples=30, deadline=None)
@given(folders)
def test_the_stat_cache_survives_being_saved(content: dict):
    with tempfile.TemporaryDirectory() as scratch:
        store = TreeStore(Path(scratch) / "store.git")
        folder, cache = Path(scratch) / "work", Path(scratch) / "cache"
        build(folder, content)
        _, found = walked(store, folder)
        known.save(found, cache)
        loaded = known.load(cache)
        assert flat(loaded) == flat(found)


def flat(found: Directory | None) -> object:
    assert found is not None
    below = {name: flat(child) for name, child in found.children.items()}
    return found.names, found.stats, found.oids, found.size, found.tree, below


def test_a_damaged_stat_cache_is_as_good_as_none(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a").write_text("a")
    _, found = walked(store, tmp_path / "work")
    cache = tmp_path / "cache"
    known.save(found, cache)
    whole = cache.read_bytes()
    for damaged in (whole[:-1], whole[:20], b"", whole[:-3] + b"xyz"):
        cache.write_bytes(damaged)
        assert known.load(cache) is None
    assert known.load(tmp_path / "none") is None


def test_an_unchanged_folder_is_recognised_without_reading_a_file(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    (tmp_path / "work").mkdir()
    for number in range(20):
        file = tmp_path / "work" / str(number)
        file.write_text("a")
    _, found = walked(store, tmp_path / "work")
    while walked(store, tmp_path / "work", found)[0].read:
        _, found = walked(store, tmp_path / "work", found)
    walk, same = walked(store, tmp_path / "work", found)
    assert same is found
    assert (walk.read, walk.files, walk.bytes) == (0, 20, 20)


def test_a_change_that_hides_behind_an_old_mtime_is_seen(tmp_path: Path):
    store = TreeStore(tmp_path / "store.git")
    folder = tmp_path / "work"
    folder.mkdir()
    file = folder / "a"
    file.write_text("one")
    seen = file.stat()
    _, found = walked(store, folder)
    file.write_text("two")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    _, after = walked(store, folder, found)
    assert after.tree != found.tree
