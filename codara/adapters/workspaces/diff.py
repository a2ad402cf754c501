"""What changed between two trees: libgit2's renames, line counts and patch text, within bounds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import attrs
import pygit2
from pygit2.enums import DeltaStatus, DiffFind

from codara.adapters.workspaces.compare import differences
from codara.adapters.workspaces.trees import TreeStore
from codara.application.ports.workspaces import Diff
from codara.events import readable
from codara.events.vocabulary import FileStatus, TextEncoding
from codara.events.workspace import FileChange

SMALL_FILES = 64
SMALL_BYTES = 256 << 10
"""Up to here libgit2 is quick enough to hold the interpreter's lock; beyond, it gets a process."""

_DIFFER = re.compile(rb"^Binary files .*\n", re.MULTILINE)
"""libgit2 says so of each binary file, even if only its name or mode changed."""

_HEADING = re.compile(rb"^@@ .*", re.MULTILINE)
_STATUS: Mapping[DeltaStatus, FileStatus] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.RENAMED: "renamed",
}


@attrs.frozen
class FileDiff:
    """One file's change, its patch, and the bytes by which it is sorted."""

    raw_path: bytes
    change: FileChange
    patch: bytes


def is_small(store: TreeStore, base: bytes, final: bytes) -> bool:
    """Says whether the diff is quick, whatever is in the files."""
    size = 0
    for count, each in enumerate(differences(store, base, final), start=1):
        size += sum(store.size(oid) for oid in (each.old, each.new) if any(oid))
        if count > SMALL_FILES or size > SMALL_BYTES:
            return False
    return True


def between(store: TreeStore, base: str, final: str, most: int) -> Diff:
    """The whole diff with renames; the patch has at most `most` bytes. KeyError: a missing tree."""
    if base == final:
        return Diff(files=(), patch="", truncated=False)
    found = list(_by_path(_file_diffs(store.repository, base, final)))
    patch, truncated = cut([each.patch for each in found], most)
    return Diff(
        files=tuple(each.change for each in found),
        patch=readable.patch_of(patch),
        raw=None if readable.is_utf8(patch) else patch,
        truncated=truncated,
    )


def plain(store: TreeStore, base: bytes, final: bytes) -> Diff:
    """Returns which files changed, when there is no time to look into them."""
    changes = tuple(each.as_change() for each in differences(store, base, final))
    return Diff(files=changes, patch="", truncated=bool(changes))


def _by_path(found: Iterable[FileDiff]) -> Iterator[FileDiff]:
    """Sorted by path. A file that became a link, or the reverse, is one change of two texts."""
    ordered = sorted(found, key=lambda each: (each.raw_path, each.change.status != "deleted"))
    for _, group in groupby(ordered, key=lambda each: each.raw_path):
        first, *others = group
        yield _type_changed(first, others[0]) if others else first


def _type_changed(before: FileDiff, after: FileDiff) -> FileDiff:
    change = attrs.evolve(
        after.change,
        status="type_changed",
        deleted=before.change.deleted,
        binary=before.change.binary or after.change.binary,
        encoding=_encoding(before.patch + after.patch, before.change.binary or after.change.binary),
    )
    return FileDiff(after.raw_path, change, before.patch + after.patch)


def _file_diffs(repository: pygit2.Repository, base: str, final: str) -> Iterator[FileDiff]:
    old, new = repository[base].peel(pygit2.Tree), repository[final].peel(pygit2.Tree)
    diff = old.diff_to_tree(new)
    diff.find_similar(flags=DiffFind.FIND_RENAMES)
    for patch in diff:
        if patch is not None:
            yield _file_diff(patch)


def _file_diff(patch: pygit2.Patch) -> FileDiff:
    delta = patch.delta
    deleted = delta.status == DeltaStatus.DELETED
    raw = (delta.old_file if deleted else delta.new_file).raw_path
    path, encoded = readable.path_of(raw)
    old_path, old_encoded = None, None
    if delta.status == DeltaStatus.RENAMED:
        old_path, old_encoded = readable.path_of(delta.old_file.raw_path)
    data = _with_whole_headings(patch.data)
    if delta.old_file.id == delta.new_file.id:
        data = _DIFFER.sub(b"", data)
    _, added, removed = patch.line_stats
    change = FileChange(
        path=path,
        path_b64=encoded,
        status=_status(delta),
        old_path=old_path,
        old_path_b64=old_encoded,
        added=added,
        deleted=removed,
        binary=bool(delta.is_binary),
        encoding=_encoding(data, bool(delta.is_binary)),
    )
    return FileDiff(raw, change, data)


def _encoding(patch: bytes, binary: bool) -> TextEncoding | None:
    if binary:
        return None
    return "utf-8" if readable.is_utf8(patch) else "other"


def _with_whole_headings(patch: bytes) -> bytes:
    """The patch without half a character where libgit2 has cut the line that names a hunk."""
    return patch if readable.is_utf8(patch) else _HEADING.sub(_without_half, patch)


def _without_half(heading: "re.Match[bytes]") -> bytes:
    try:
        heading[0].decode()
    except UnicodeDecodeError as error:
        return heading[0][: error.start] if error.end == len(heading[0]) else heading[0]
    return heading[0]


def _status(delta: pygit2.DiffDelta) -> FileStatus:
    if delta.status == DeltaStatus.MODIFIED and delta.old_file.id == delta.new_file.id:
        return "mode_changed"
    return _STATUS.get(delta.status, "modified")


def cut(patches: list[bytes], most: int) -> tuple[bytes, bool]:
    """All patches as one of at most `most` bytes, in whole lines; and whether any is missing."""
    kept: list[bytes] = []
    room = most
    for patch in patches:
        if len(patch) > room:
            kept.append(patch[: patch.rfind(b"\n", 0, room) + 1])
            return b"".join(kept), True
        kept.append(patch)
        room -= len(patch)
    return b"".join(kept), False
