"""A mount namespace of a root gateway's own, in which unprivileged jails find their folders."""

import contextlib
import ctypes
import os
from pathlib import Path

import attrs

from codara.adapters.jail.spec import MIB
from codara.errors import JailUnavailable

MOUNT_POINT = Path("/run/codara")

MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MS_NOSUID, MS_NODEV = 0x2, 0x4
MNT_DETACH = 0x2
CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


@attrs.frozen(kw_only=True)
class Source:
    """A folder of the host and the name it is staged under."""

    name: str
    path: Path


def enter() -> None:
    """Gives the calling thread mounts of its own, and a 0711 folder in memory to stage in.

    Nothing staged is visible outside, and all of it is gone with the thread and its jails.
    JailUnavailable where the kernel refuses.
    """
    try:
        _check(_libc.unshare(CLONE_NEWNS | CLONE_FS))
        _mount("none", "/", None, MS_REC | MS_SLAVE)
        _prepare()
    except OSError as refused:
        raise JailUnavailable(
            f"mount namespace: {refused.strerror}. A gateway that runs as root needs CAP_SYS_ADMIN"
            " to stage jails: run it as an ordinary user, or give the container that capability."
        ) from refused


def stage(jail_id: str, sources: list[Source]) -> dict[str, Path]:
    """Binds each folder below one that every user may pass through; returns the new paths.

    Runs in the thread that entered. The folders are opened without following a last link.
    """
    _prepare()
    below = MOUNT_POINT / jail_id
    below.mkdir(mode=0o711)
    staged: dict[str, Path] = {}
    for source in sources:
        spot = below / source.name
        spot.mkdir(mode=0o711)
        fd = os.open(source.path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _mount(f"/proc/self/fd/{fd}", str(spot), None, MS_BIND)
        finally:
            os.close(fd)
        staged[source.name] = spot
    return staged


def unstage(jail_id: str) -> None:
    """Takes the folders down again; harmless when some of it is gone."""
    below = MOUNT_POINT / jail_id
    with contextlib.suppress(FileNotFoundError):
        for spot in below.iterdir():
            _libc.umount2(str(spot).encode(), MNT_DETACH)
            spot.rmdir()
        below.rmdir()


def enter_network(pid: int) -> None:
    """Moves the calling thread, for good, into the network namespace of a process."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        _check(_libc.setns(fd, CLONE_NEWNET))
    finally:
        os.close(fd)


def adopt(path: Path, uid: int) -> None:
    """Gives a tree to `uid` without following a link; what vanishes meanwhile is passed over."""
    os.chown(path, uid, uid, follow_symlinks=False)
    for _, folders, files, fd in os.fwalk(path, onerror=lambda _: None):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):
                os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)


def _prepare() -> None:
    """Mounts the folder; again if somebody removed it on the host, which unmounts it here too."""
    if not MOUNT_POINT.is_mount():
        MOUNT_POINT.mkdir(mode=0o711, exist_ok=True)
        _mount("codara", str(MOUNT_POINT), "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0711,size={MIB}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
