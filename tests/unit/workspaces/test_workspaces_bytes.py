"""What is not UTF-8 in a workspace: nothing of it is altered without a sign."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codara.adapters.workspaces import diff as diffs
from codara.adapters.workspaces.trees import TreeStore
from codara.application.ports.workspaces import Diff
from codara.domain.action import Action
from codara.domain.actions import of_diff
from codara.events.readable import NOT_UTF8

Files = Mapping[bytes, bytes]

LATIN, LITERAL = b"caf\xe9 x\n", b"lit \\xe9\n"
_PIECES = [
    b"caf\xe9", b"\\xe9", b"x", "ä語".encode(), b"\r", b"\n", b"\n", b"\n", b"\0", b"\x82\xa0",
    b"\xff\xfea\0", b"@@ -1 +1 @@", b"diff --git a/a b/a", b"-- a", NOT_UTF8.encode(),
]  # fmt: skip
_NAMES = [b"a", b"b c", b"end ", b"\xff\n", b'q"\\', "ü".encode(), b"\xe9 \xe9"]
_CONTENT = st.lists(st.sampled_from(_PIECES), max_size=30).map(b"".join)
_FILES = st.dictionaries(st.sampled_from(_NAMES), _CONTENT, max_size=5)
_ENVIRONMENT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def difference(before: Files, after: Files, most: int = 1 << 20) -> Diff:
    with tempfile.TemporaryDirectory() as scratch:
        store = TreeStore(Path(scratch))
        base, final = tree(store, before), tree(store, after)
        return diffs.between(store, base, final, most)


def tree(store: TreeStore, files: Files) -> str:
    entries = [(name, b"100644", store.put(b"blob", data)) for name, data in files.items()]
    root = store.put_tree(entries)
    store.flush()
    return root.hex()


def applied(patch: bytes, before: Files) -> Files | None:
    """What `git apply` makes of a copy; None if it refuses."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, data in before.items():
            (folder / os.fsdecode(name)).write_bytes(data)
        ran = subprocess.run(
            ["git", "apply", "-"], cwd=scratch, input=patch, env=_ENVIRONMENT, capture_output=True
        )
        if ran.returncode:
            return None
        return {os.fsencode(each.name): each.read_bytes() for each in folder.iterdir()}


def actions_of(diff: Diff) -> list[Action]:
    raw = diff.patch.encode() if diff.raw is None else diff.raw
    return of_diff(raw, cut=diff.truncated)


def names_of(action: Action) -> list[bytes]:
    encoded = action.paths_b64 or (None,) * len(action.paths)
    both = zip(action.paths, encoded, strict=True)
    return [base64.b64decode(b64) if b64 else path.encode() for path, b64 in both]


def does_its_part(action: Action, patch: bytes, before: Files, after: Files) -> bool:
    done = applied(patch, before)
    names = names_of(action)
    untouched = all(done[name] == before[name] for name in before if name not in names)
    return untouched and all(done.get(name) == after.get(name) for name in names)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_FILES, _FILES, st.sampled_from([1 << 20, 1 << 20, 60, 150, 400]))
@example({}, {b"new": LATIN, b"lit": LITERAL}, 1 << 20)
@example({b"b c": b"x\n" * 9}, {b"end ": b"x\n" * 9 + b"caf\xe9\n"}, 1 << 20)
def test_what_is_exact_applies_as_text_and_what_is_not_utf_8_by_its_bytes(
    before: Files, after: Files, most: int
) -> None:
    diff = difference(before, after, most)
    for action in actions_of(diff):
        text = action.patch.encode()
        if action.exact:
            assert does_its_part(action, text, before, after)
        elif action.patch_b64 and not diff.truncated:
            raw = base64.b64decode(action.patch_b64)
            assert does_its_part(action, raw, before, after)
            assert applied(text, before) is None
    if not diff.truncated and not any(change.binary for change in diff.files):
        raw = diff.patch.encode() if diff.raw is None else diff.raw
        assert not raw or applied(raw, before) == after


def test_a_byte_and_the_characters_that_show_it_are_told_apart() -> None:
    diff = difference({}, {b"lit.txt": LITERAL, b"new.txt": LATIN})
    assert [(each.path, each.encoding) for each in diff.files] == [
        ("lit.txt", "utf-8"),
        ("new.txt", "other"),
    ]
    literal, latin = actions_of(diff)
    assert (literal.exact, literal.patch_b64) == (True, None)
    assert latin.exact is False
    assert b"+caf\xe9 x\n" in base64.b64decode(latin.patch_b64 or "")
    assert NOT_UTF8 in latin.patch
    assert diff.raw is not None and b"+caf\xe9 x\n" in diff.raw


@pytest.mark.parametrize(
    ("data", "encoding", "binary"),
    [
        ("日本語\n".encode("shift_jis"), "other", False),
        ("größe\r\n".encode("latin-1"), "other", False),
        ("größe\r\n".encode(), "utf-8", False),
        ("a\n".encode("utf-16"), None, True),
        ("語".encode("utf-16-le") * 3, "other", False),
        (b"fine\n" * 9 + b"\xe9\n", "other", False),
    ],
)
def test_the_encoding_of_a_file_is_told(data: bytes, encoding: str | None, binary: bool) -> None:
    (change,) = difference({}, {b"a": data}).files
    assert (change.encoding, change.binary) == (encoding, binary)


def test_a_binary_files_action_is_not_exact() -> None:
    (action,) = actions_of(difference({b"a": b"\0"}, {b"a": b"\0\1"}))
    assert action.exact is False
    (moved,) = actions_of(difference({b"a": b"\0\1\2"}, {b"b": b"\0\1\2"}))
    assert (moved.exact, moved.paths) == (True, ("a", "b"))


def test_the_target_of_a_link_is_told_in_bytes(tmp_path: Path) -> None:
    store = TreeStore(tmp_path / "store")
    link = store.put_tree([(b"l", b"120000", store.put(b"blob", b"caf\xe9"))])
    store.flush()
    diff = diffs.between(store, tree(store, {}), link.hex(), 1 << 20)
    assert diff.files[0].encoding == "other"
    assert diff.raw is not None and b"+caf\xe9\n" in diff.raw


def test_the_old_name_of_a_moved_file_has_its_bytes() -> None:
    (change,) = difference({b"\xff": b"same\n"}, {b"new": b"same\n"}).files
    assert (change.old_path, change.path, change.path_b64) == ("\\xff", "new", None)
    assert base64.b64decode(change.old_path_b64 or "") == b"\xff"


def test_a_heading_that_ends_in_half_a_character_spoils_no_patch() -> None:
    before = "語" * 40 + "\n" + "".join(f" {number}\n" for number in range(30))
    diff = difference({b"a": before.encode()}, {b"a": before.encode() + b" more\n"})
    assert (diff.raw, diff.files[0].encoding) == (None, "utf-8")
    assert actions_of(diff)[0].exact
    assert applied(diff.patch.encode(), {b"a": before.encode()}) is not None


def test_the_last_file_of_a_cut_diff_is_not_exact() -> None:
    before = b"".join(b"%d\n" % number for number in range(60))
    after = before.replace(b"5\n", b"five\n")
    whole = difference({b"a": before}, {b"a": after}).patch
    diff = difference({b"a": before}, {b"a": after}, len(whole[: whole.rindex("\n@@ ") + 2]))
    assert diff.patch == whole[: whole.rindex("\n@@ ") + 1]
    assert [action.exact for action in actions_of(diff)] == [False]


def test_the_limit_of_a_diff_counts_its_own_bytes() -> None:
    new = {b"a": b"\xe9" * 99 + b"\n"}
    size = len(difference({}, new).raw or b"")
    assert not difference({}, new, size).truncated
    assert difference({}, new, size - 1).truncated


@pytest.mark.parametrize("number", [1, 200])
async def test_both_ways_of_making_a_diff_keep_the_bytes(workspace, number: int) -> None:
    bench = await workspace()
    base = await bench.snapshot()
    for each in range(number):
        (bench.folder / f"{each:03}").write_bytes(LATIN)
    diff = await bench.since(base)
    assert diff.raw is not None
    assert diff.raw.count(LATIN) == number
    assert diff.patch.count(NOT_UTF8) == number
    assert {each.encoding for each in diff.files} == {"other"}
