"""Memory and process limits by control groups, as far as this host lets us."""

import contextlib
import errno
import os
import time
from pathlib import Path

import attrs

from codara.adapters.jail.marks import PREFIX, gateway_is_gone, mark
from codara.adapters.jail.spec import JailLimits

LEAF = "codara.gateway"
REMOVE_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class Groups:
    """Where this process may make groups: one folder for v2, up to two for v1, none at all."""

    level: str
    folders: tuple[Path, ...] = ()

    def confine(self, jail_id: str, pid: int, limits: JailLimits) -> tuple[str, ...]:
        """Puts a process in groups of its own and names what they enforce.

        What the kernel refuses is left out of the answer; it is for the caller to report.
        """
        enforced: list[str] = []
        for folder in self.folders:
            with contextlib.suppress(OSError):
                enforced += _confine(folder / mark(jail_id), pid, limits)
        return tuple(f"{self.level}.{name}" for name in enforced)

    def remove(self, jail_id: str) -> None:
        """Removes a jail's groups once it is gone. Blocks for 2 s at most."""
        for folder in self.folders:
            _remove(folder / mark(jail_id))

    def sweep(self) -> None:
        """Removes the groups of gateways that are gone. Blocks for 2 s a group at most."""
        for folder in self.folders:
            for group in folder.glob(f"{PREFIX}*"):
                if gateway_is_gone(group.name):
                    _remove(group)


def by_rlimits(limits: JailLimits) -> tuple[str, ...]:
    """Returns what is enforced inside the jail whatever the host allows."""
    counts = (
        ("processes", limits.processes),
        ("open_files", limits.open_files),
        ("file_size", limits.file_size),
    )
    return tuple(f"rlimit.{name}={count}" for name, count in counts)


def probe(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Groups:
    """Finds out what can be used: a delegated v2 group, writable v1 hierarchies, or neither."""
    try:
        mine = _memberships(own.read_text(encoding="utf-8"))
    except OSError:
        return Groups(level="none")
    if "" in mine and (folder := _delegated(cgroups / mine[""].lstrip("/"))):
        return Groups(level="cgroup2", folders=(folder,))
    v1 = (
        cgroups / controller / mine[controller].lstrip("/")
        for controller in ("memory", "pids")
        if controller in mine
    )
    usable = tuple(folder for folder in v1 if os.access(folder, os.W_OK))
    return Groups(level="cgroup1", folders=usable) if usable else Groups(level="none")


def _memberships(text: str) -> dict[str, str]:
    """The path of our group by controller; v2 has the empty name."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _delegated(group: Path) -> Path | None:
    if group.name == LEAF:
        group = group.parent
    try:
        offered = set((group / "cgroup.controllers").read_text(encoding="ascii").split())
        wanted = sorted(offered & {"memory", "pids"})
        if not wanted or not os.access(group, os.W_OK):
            return None
        _enable(group, " ".join(f"+{name}" for name in wanted))
    except OSError:
        return None
    return group


def _enable(group: Path, controllers: str) -> None:
    """A v2 group with processes in it cannot hand controllers down: then we move below it first."""
    switch = group / "cgroup.subtree_control"
    try:
        switch.write_text(controllers, encoding="ascii")
    except OSError as refused:
        if refused.errno != errno.EBUSY:
            raise
        leaf = group / LEAF
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        switch.write_text(controllers, encoding="ascii")


def _confine(group: Path, pid: int, limits: JailLimits) -> list[str]:
    group.mkdir(exist_ok=True)
    enforced = []
    for file, bound, name in _bounds(limits):
        target = group / file
        if bound is not None and target.exists():
            target.write_text(str(bound), encoding="ascii")
            if name:
                enforced.append(f"{name}={bound}")
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
    return enforced


def _bounds(limits: JailLimits) -> tuple[tuple[str, int | None, str], ...]:
    threads = limits.processes * 4
    return (
        ("memory.max", limits.memory, "memory"),
        ("memory.swap.max", None if limits.memory is None else 0, ""),
        ("memory.limit_in_bytes", limits.memory, "memory"),
        ("memory.memsw.limit_in_bytes", limits.memory, ""),
        ("pids.max", threads, "pids"),
    )


def _remove(group: Path) -> None:
    give_up = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > give_up:
                return
            time.sleep(0.005)
        else:
            return
