"""A workspace's own object store: a bare repository outside the workspace, written by us alone."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel

from codara.adapters.workspaces.packs import LOOSE_AT_MOST, Pack, object_id, write_loose

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
DIRECTORY = b"40000"
TreeEntry = tuple[bytes, bytes, bytes]
"""Name, mode as git writes it, object id."""

_CACHED_BYTES = 16 << 20
_LEVELS = (ConfigLevel.SYSTEM, ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.PROGRAMDATA)


def shield_from_host_config() -> None:
    """Makes libgit2 read no git configuration of the machine or of the gateway's user."""
    for level in _LEVELS:
        pygit2.settings.search_path[level] = ""
    pygit2.settings.cache_max_size(_CACHED_BYTES)


class TreeStore:
    """Writes blobs and trees, and reads them again. One thread at a time.

    Objects are on disk under git's own names and formats. zlib and hashing run without the
    interpreter's lock, which libgit2's own writer would hold throughout.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the store, or makes it."""
        self.folder = folder
        self._objects = folder / "objects"
        if not (folder / "HEAD").exists():
            pygit2.init_repository(str(folder), bare=True)
        self.repository = pygit2.Repository(str(folder))
        self._pack: Pack | None = None
        self._packed = any((self._objects / "pack").glob("*.idx"))
        self._written = 0
        self.put(b"tree", b"")

    def put(self, kind: bytes, data: bytes) -> bytes:
        """Stores a blob or tree and returns its id; readable after `flush`."""
        oid = object_id(kind, data)
        self._written += 1
        if self._written <= LOOSE_AT_MOST:
            write_loose(self._objects, kind, oid, data)
        elif not (self._packed and pygit2.Oid(raw=oid) in self.repository.odb):
            self._pack = self._pack or Pack.begin(self._objects)
            self._pack.add(kind, oid, data)
        return oid

    def put_tree(self, entries: Iterable[TreeEntry]) -> bytes:
        """Stores a tree of these entries, which may come in any order."""
        ordered = sorted(entries, key=git_order)
        return self.put(
            b"tree", b"".join(b"%s %s\0%s" % (mode, name, oid) for name, mode, oid in ordered)
        )

    def flush(self) -> None:
        """Makes everything that was put readable."""
        self._written = 0
        if self._pack is not None:
            pack, self._pack = self._pack, None
            pack.finish()
            self._packed = True

    def abandon(self) -> None:
        """Drops what was put since the last flush, as far as it is not on disk."""
        self._written = 0
        if self._pack is not None:
            self._pack.abandon()
            self._pack = None

    def size(self, oid: bytes) -> int:
        """Returns the size of an object in bytes; KeyError if it is missing."""
        return int(self.repository.odb.read_header(pygit2.Oid(raw=oid))[1])

    def entries(self, oid: bytes) -> Iterator[TreeEntry]:
        """A tree's entries in git's order; KeyError if there is no such tree."""
        data: bytes = self.repository.odb.read(pygit2.Oid(raw=oid))[1]
        at = 0
        while at < len(data):
            space = data.index(b" ", at)
            end = data.index(b"\0", space)
            yield data[space + 1 : end], data[at:space], data[end + 1 : end + 21]
            at = end + 21


def git_order(entry: TreeEntry) -> bytes:
    """Returns what git sorts a tree by: directories as if their names ended in a slash."""
    name, mode, _ = entry
    return name + b"/" if mode == DIRECTORY else name
