"""Which paths differ between two trees: plain, without contents or renames, and as it goes."""

from collections.abc import Iterator

import attrs

from codara.adapters.workspaces.known import NOTHING
from codara.adapters.workspaces.trees import TreeStore, git_order
from codara.events import readable
from codara.events.vocabulary import FileStatus
from codara.events.workspace import FileChange

_Half = tuple[bytes, bytes]
"""Mode and object id."""

_NONE: _Half = (b"", NOTHING)
_LINK = b"120000"


@attrs.frozen
class Difference:
    """A path whose mode or content is not the same; NOTHING is the id of a side without it."""

    path: bytes
    old_mode: bytes
    old: bytes
    new_mode: bytes
    new: bytes

    def as_change(self) -> FileChange:
        """Returns the change without counts of lines."""
        path, encoded = readable.path_of(self.path)
        return FileChange(path=path, path_b64=encoded, status=self._status())

    def _status(self) -> FileStatus:
        if self.old == NOTHING:
            return "added"
        if self.new == NOTHING:
            return "deleted"
        if (self.old_mode == _LINK) != (self.new_mode == _LINK):
            return "type_changed"
        return "mode_changed" if self.old == self.new else "modified"


@attrs.frozen
class _Below:
    """Two trees of the same directory, either of which may be missing."""

    prefix: bytes
    old: bytes
    new: bytes


def differences(store: TreeStore, base: bytes, final: bytes) -> Iterator[Difference]:
    """Every path that differs, sorted; KeyError or GitError where a tree is missing."""
    stack = [_steps(store, _Below(b"", base, final))]
    while stack:
        match next(stack[-1], None):
            case Difference() as found:
                yield found
            case _Below() as below:
                stack.append(_steps(store, below))
            case None:
                stack.pop()


def _steps(store: TreeStore, trees: _Below) -> Iterator[Difference | _Below]:
    """One directory's differences in git's order, in which whole paths are sorted, too."""
    if trees.old == trees.new:
        return
    old, new = _listing(store, trees.old), _listing(store, trees.new)
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, _NONE), new.get(key, _NONE)
        if before == after:
            continue
        path = trees.prefix + key
        if key.endswith(b"/"):
            yield _Below(path, before[1], after[1])
        else:
            yield Difference(path, *before, *after)


def _listing(store: TreeStore, tree: bytes) -> dict[bytes, _Half]:
    if tree == NOTHING:
        return {}
    return {git_order(entry): (entry[1], entry[2]) for entry in store.entries(tree)}
