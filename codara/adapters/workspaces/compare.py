"""Which paths differ between two trees: plain, without contents or renames, and as it goes."""

from collections.abc import Iterator

import attrs

from codara.adapters.workspaces.known import NOTHING
from codara.adapters.workspaces.names import shown
from codara.adapters.workspaces.trees import DIRECTORY, TreeStore
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
        """The change without counts of lines."""
        path, encoded = shown(self.path)
        return FileChange(path=path, path_b64=encoded, status=self._status())

    def _status(self) -> str:
        if self.old == NOTHING:
            return "added"
        if self.new == NOTHING:
            return "deleted"
        if (self.old_mode == _LINK) != (self.new_mode == _LINK):
            return "type_changed"
        return "mode_changed" if self.old == self.new else "modified"


def differences(store: TreeStore, base: bytes, final: bytes) -> Iterator[Difference]:
    """Every path that differs, in no particular order; KeyError where a tree is missing."""
    todo = [(b"", base, final)]
    while todo:
        prefix, old_tree, new_tree = todo.pop()
        if old_tree == new_tree:
            continue
        old, new = _listing(store, old_tree), _listing(store, new_tree)
        for name in old.keys() | new.keys():
            before, after = old.get(name, _NONE), new.get(name, _NONE)
            if before == after:
                continue
            path = prefix + name
            below = tuple(side[1] if side[0] == DIRECTORY else NOTHING for side in (before, after))
            if below != (NOTHING, NOTHING):
                todo.append((path + b"/", *below))
            before, after = _file(before), _file(after)
            if before != after:
                yield Difference(path, *before, *after)


def _listing(store: TreeStore, tree: bytes) -> dict[bytes, _Half]:
    if tree == NOTHING:
        return {}
    return {name: (mode, oid) for name, mode, oid in store.entries(tree)}


def _file(side: _Half) -> _Half:
    return _NONE if side[0] == DIRECTORY else side
