"""Walks a workspace's folder and writes its tree, reading only what changed since the last time."""

import os
import stat
import time
from array import array
from collections.abc import Iterable, Iterator
from threading import Event
from typing import Protocol

import attrs

from codara.adapters.workspaces import files
from codara.adapters.workspaces.known import FIELDS, ID, NOTHING, Directory, columns
from codara.adapters.workspaces.trees import DIRECTORY, TreeEntry

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPE = 0o170000
_RACY_NS = 20_000_000
"""A file changed so shortly before it was looked at may change again within the same clock tick."""

_NEVER_HELD = frozenset({".git", ".codara"})
"""Repositories, whose code is not ours to run, and what the gateway itself puts there."""

_MTIME = 3
_CTIME = 4


@attrs.frozen(kw_only=True)
class WalkLimits:
    """What a snapshot holds at most; beyond, it is partial. `ignore` are names at any depth."""

    max_files: int = 200_000
    max_bytes: int = 10 << 30
    max_file_bytes: int = 16 << 20
    max_diff_bytes: int = 1 << 20
    depth: int = 128
    seconds: float = 30.0
    ignore: frozenset[str] = frozenset()


class Objects(Protocol):
    """Where a walk puts what it has read; each returns the object's id."""

    def put(self, kind: bytes, data: bytes) -> bytes: ...

    def put_tree(self, entries: Iterable[TreeEntry]) -> bytes: ...


class WalkStopped(Exception):
    """Nobody waits for the snapshot any more."""


@attrs.define(eq=False)
class _Frame:
    """A directory on the way: its descriptor is open until its last child is done."""

    fd: int
    name: str
    old: Directory | None
    names: list[str]
    stats: "array[int]"
    pending: list[str]
    oids: bytes = b""
    size: int = 0
    same: bool = False
    children: dict[str, Directory] = attrs.field(factory=dict)


class Walk:
    """One pass over a folder.

    Iterative, by directory descriptors: no link is followed at any level, whatever is swapped
    meanwhile, and no special file is opened. Afterwards `files` and `bytes` tell what the tree
    holds, `partial` in single words why it does not hold everything, and `read` how many files
    had to be read.
    """

    def __init__(self, store: Objects, limits: WalkLimits, stop: Event) -> None:
        self.files = 0
        self.bytes = 0
        self.read = 0
        self.partial: dict[str, None] = {}
        self._store = store
        self._limits = limits
        self._stop = stop
        self._ignored = limits.ignore | _NEVER_HELD
        self._until = time.monotonic() + limits.seconds
        self._entries = 0

    def take(self, root: int, known: Directory | None) -> Directory:
        """Walks from the descriptor `root`, which is closed; Stopped when `stop` was set."""
        stack = [self._enter(root, "", known)]
        try:
            while True:
                frame = stack[-1]
                if frame.pending:
                    self._descend(stack, frame, frame.pending.pop())
                    continue
                done = self._leave(frame)
                os.close(stack.pop().fd)
                if not stack:
                    return done
                stack[-1].children[frame.name] = done
        finally:
            for frame in stack:
                os.close(frame.fd)

    def _check(self) -> None:
        if self._stop.is_set():
            raise WalkStopped

    def _in_time(self) -> bool:
        self._check()
        if time.monotonic() < self._until:
            return True
        self.partial["time"] = None
        return False

    def _descend(self, stack: list[_Frame], parent: _Frame, name: str) -> None:
        if len(stack) >= self._limits.depth:
            self.partial["depth"] = None
        elif self._entries >= self._limits.max_files:
            self.partial["max_files"] = None
        elif self._in_time():
            try:
                fd = os.open(name, _OPEN, dir_fd=parent.fd)
            except OSError as error:
                if not files.vanished(error):
                    self.partial["unreadable"] = None
                return
            stack.append(self._enter(fd, name, parent.old and parent.old.children.get(name)))

    def _enter(self, fd: int, name: str, old: Directory | None) -> _Frame:
        try:
            now = time.time_ns()
            names, numbers, below = self._listed(fd)
            self._entries += len(names) + 1
            frame = _Frame(fd, name, old, names, columns(numbers), below)
            self._fill(frame, now)
        except BaseException:
            os.close(fd)
            raise
        return frame

    def _listed(self, fd: int) -> tuple[list[str], list[int], list[str]]:
        """Files and links with their stat numbers, and subdirectories, the first one last."""
        names: list[str] = []
        numbers: list[int] = []
        below: list[str] = []
        room = self._limits.max_files - self._entries
        try:
            self._list(fd, names, numbers, below, most=2 * self._limits.max_files)
        except OSError:
            self.partial["unreadable"] = None
        if len(names) > room:
            self.partial["max_files"] = None
            names, numbers = _first(names, numbers, max(room, 0))
        below.sort(reverse=True)
        return names, numbers, below

    def _list(
        self, fd: int, names: list[str], numbers: list[int], below: list[str], most: int
    ) -> None:
        ignored = self._ignored
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if name in ignored:
                    continue
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                mode = seen.st_mode
                kind = mode & _TYPE
                if kind == stat.S_IFDIR:
                    below.append(name)
                elif kind in (stat.S_IFREG, stat.S_IFLNK):
                    names.append(name)
                    numbers += (
                        mode,
                        seen.st_size,
                        seen.st_ino,
                        seen.st_mtime_ns,
                        seen.st_ctime_ns,
                    )
                if len(names) + len(below) > most:
                    self.partial["max_files"] = None
                    return

    def _fill(self, frame: _Frame, now: int) -> None:
        """Finds the id of every file: all at once if nothing changed, otherwise one by one."""
        old = frame.old
        if (
            old is not None
            and old.stats == frame.stats
            and old.names == "\0".join(frame.names)
            and self.bytes + old.size <= self._limits.max_bytes
        ):
            frame.same, frame.oids, frame.size = True, old.oids, old.size
            self.files += len(frame.names)
            self.bytes += old.size
        else:
            self._fill_each(frame, now)

    def _fill_each(self, frame: _Frame, now: int) -> None:
        known = frame.old.files() if frame.old is not None else {}
        stats = frame.stats
        oids: list[bytes] = []
        for at, name in enumerate(frame.names):
            key = stats[at * FIELDS : (at + 1) * FIELDS]
            before = known.get(name)
            size = self._counted(key)
            if self.bytes + size > self._limits.max_bytes:
                self.partial["max_bytes"] = None
                oid = NOTHING
            elif before is not None and before[0] == key:
                oid = before[1]
            else:
                oid = self._stored(frame.fd, name, key[0])
            if oid != NOTHING:
                self.files += 1
                self.bytes += size
                frame.size += size
            if oid == NOTHING or key[_CTIME] > now - _RACY_NS:
                stats[at * FIELDS + _MTIME] = -1
            oids.append(oid)
        frame.oids = b"".join(oids)

    def _counted(self, key: "array[int]") -> int:
        """Bytes that a file takes of `max_bytes`: what is too large to be kept takes none."""
        return key[1] if key[1] <= self._limits.max_file_bytes else 0

    def _stored(self, folder: int, name: str, mode: int) -> bytes:
        if not self._in_time():
            return NOTHING
        self.read += 1
        try:
            if mode & _TYPE == stat.S_IFLNK:
                data = files.read_link(name, folder)
            else:
                keep = self._limits.max_file_bytes
                data = files.read_content(name, folder, keep, self._check)
        except files.Vanished:
            return NOTHING
        except OSError:
            self.partial["unreadable"] = None
            return NOTHING
        return self._store.put(b"blob", data)

    def _leave(self, frame: _Frame) -> Directory:
        old, children = frame.old, frame.children
        if frame.same and old is not None and _same_children(children, old.children):
            return old
        entries = list(_entries(frame))
        tree = self._store.put_tree(entries) if entries else NOTHING
        names = "\0".join(frame.names)
        return Directory(names, frame.stats, frame.oids, frame.size, children, tree)


def _first(names: list[str], numbers: list[int], room: int) -> tuple[list[str], list[int]]:
    """The first `room` files by name, so that two snapshots leave out the same ones."""
    kept = sorted(range(len(names)), key=names.__getitem__)[:room]
    of_kept = [number for at in kept for number in numbers[at * FIELDS : (at + 1) * FIELDS]]
    return [names[at] for at in kept], of_kept


def _same_children(now: dict[str, Directory], before: dict[str, Directory]) -> bool:
    return len(now) == len(before) and all(before.get(name) is child for name, child in now.items())


def _entries(frame: _Frame) -> Iterator[TreeEntry]:
    for at, name in enumerate(frame.names):
        oid = frame.oids[at * ID : (at + 1) * ID]
        if oid != NOTHING:
            yield os.fsencode(name), _git_mode(frame.stats[at * FIELDS]), oid
    for name, child in frame.children.items():
        if child.tree != NOTHING:
            yield os.fsencode(name), DIRECTORY, child.tree


def _git_mode(mode: int) -> bytes:
    if mode & _TYPE == stat.S_IFLNK:
        return b"120000"
    return b"100755" if mode & stat.S_IXUSR else b"100644"
