"""What changed between two trees: libgit2's renames, line counts and patch text, within bounds."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import attrs
import pygit2
from pygit2.enums import DeltaStatus, DiffFind

from codara.adapters.workspaces.compare import differences
from codara.adapters.workspaces.names import shown
from codara.adapters.workspaces.trees import TreeStore
from codara.application.ports.workspaces import Diff
from codara.events.vocabulary import FileStatus
from codara.events.workspace import FileChange

SMALL_FILES = 64
SMALL_BYTES = 256 << 10
"""Up to here libgit2 is quick enough to hold the interpreter's lock; beyond, it gets a process."""

_STATUS: Mapping[DeltaStatus, FileStatus] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.RENAMED: "renamed",
}


@attrs.frozen
class FileDiff:
    """One file's change, its text, and the bytes by which it is sorted."""

    raw_path: bytes
    change: FileChange
    text: str


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
    patch, truncated = cut([each.text for each in found], most)
    return Diff(files=tuple(each.change for each in found), patch=patch, truncated=truncated)


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
    )
    return FileDiff(after.raw_path, change, before.text + after.text)


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
    path, encoded = shown(raw)
    renamed = delta.status == DeltaStatus.RENAMED
    _, added, removed = patch.line_stats
    change = FileChange(
        path=path,
        path_b64=encoded,
        status=_status(delta),
        old_path=shown(delta.old_file.raw_path)[0] if renamed else None,
        added=added,
        deleted=removed,
        binary=bool(delta.is_binary),
    )
    return FileDiff(raw, change, patch.data.decode(errors="backslashreplace"))


def _status(delta: pygit2.DiffDelta) -> FileStatus:
    if delta.status == DeltaStatus.MODIFIED and delta.old_file.id == delta.new_file.id:
        return "mode_changed"
    return _STATUS.get(delta.status, "modified")


def cut(texts: list[str], most: int) -> tuple[str, bool]:
    """All texts as one of at most `most` bytes, in whole lines; and whether any is missing."""
    kept: list[str] = []
    room = most
    for text in texts:
        data = text.encode()
        if len(data) > room:
            kept.append(data[: data.rfind(b"\n", 0, room) + 1].decode())
            return "".join(kept), True
        kept.append(text)
        room -= len(data)
    return "".join(kept), False
