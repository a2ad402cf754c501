"""The bubblewrap command line: what a jail sees, in the order bubblewrap has to mount it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from codara.adapters.jail.spec import HOME_INSIDE, MIB, JailLimits

USER = "codara"
SHELL = "/bin/sh"
PRLIMIT = "/usr/bin/prlimit"
GATE = 'echo ready; read -r go && [ "$go" = go ] && exec "$@"'
"""The first program says that all walls stand, and waits for one line.

A gateway that died never sends it, so nothing runs.
"""
READY = b"ready\n"
GO = b"go\n"

MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
FROM_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "ld.so.cache",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)


@attrs.frozen(kw_only=True)
class Mount:
    """A folder of the host that the jail sees at `inside`; `fd` is open on it, or None."""

    source: Path
    inside: Path
    writable: bool
    fd: int | None = None

    def arguments(self) -> Iterator[str]:
        """Binds the open folder itself, where this bubblewrap can, else its path."""
        option = "--bind" if self.writable else "--ro-bind"
        if self.fd is not None:
            option += "-fd"
        yield from (option, str(self.source if self.fd is None else self.fd), str(self.inside))


@attrs.frozen(kw_only=True)
class Command:
    """Everything the command line says; file descriptors are those the child inherits.

    `mark` is what the jail is found by should the gateway be lost.
    """

    mark: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    home: Mount
    programs: tuple[Mount, ...]
    workspace: Mount
    begins_in: Path
    limits: JailLimits
    uid: int
    passwd_fd: int
    group_fd: int
    seccomp_fd: int
    info_fd: int
    block_fd: int

    def arguments(self) -> list[str]:
        """For `--args`, without the program."""
        return [
            *_namespaces(self.uid),
            *_system(),
            *self._identity(),
            *self._kernel_views(),
            *self.home.arguments(),
            *(word for place in self.programs for word in place.arguments()),
            *self.workspace.arguments(),
            *("--remount-ro", "/"),
            *("--chdir", str(self.begins_in)),
            *(word for name, text in self.env.items() for word in ("--setenv", name, text)),
            *("--seccomp", str(self.seccomp_fd)),
            *("--info-fd", str(self.info_fd)),
            *("--block-fd", str(self.block_fd)),
        ]

    def program(self) -> list[str]:
        """Returns what runs inside: the gate, then the limits, then the agent."""
        return [SHELL, "-c", GATE, self.mark, *limited(self.limits), *self.argv]

    def _identity(self) -> Iterator[str]:
        for fd, path in ((self.passwd_fd, "/etc/passwd"), (self.group_fd, "/etc/group")):
            yield from ("--perms", "0444", "--ro-bind-data", str(fd), path)

    def _kernel_views(self) -> Iterator[str]:
        yield from ("--proc", "/proc", "--dev", "/dev")
        yield from _tmpfs("/dev/shm", self.limits.shm)  # noqa: S108
        yield from ("--remount-ro", "/dev")
        yield from _tmpfs("/tmp", self.limits.tmp)  # noqa: S108
        yield from _tmpfs("/run", 16 * MIB)
        yield from _tmpfs("/var/tmp", 16 * MIB)  # noqa: S108


def passwd(uid: int) -> bytes:
    """Returns the jail's whole /etc/passwd."""
    return f"{USER}:x:{uid}:{uid}:{USER}:{HOME_INSIDE}:{SHELL}\n".encode()


def group(uid: int) -> bytes:
    """Returns the jail's whole /etc/group."""
    return f"{USER}:x:{uid}:\n".encode()


def limited(limits: JailLimits) -> list[str]:
    """The words that put resource limits before a program; counted inside the user namespace."""
    return [
        PRLIMIT,
        f"--nproc={limits.processes}",
        f"--nofile={limits.open_files}",
        f"--fsize={limits.file_size}",
        "--core=0",
        "--",
    ]


def _namespaces(uid: int) -> Iterator[str]:
    yield from ("--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc")
    yield from ("--unshare-uts", "--unshare-cgroup-try", "--unshare-net")
    yield from ("--uid", str(uid), "--gid", str(uid), "--hostname", USER)
    yield from ("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv")


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in MERGED:
        host = Path("/", name)
        if host.is_symlink():
            yield from ("--symlink", str(host.readlink()), str(host))
        elif host.is_dir():
            yield from ("--ro-bind", str(host), str(host))
    for name in FROM_ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _tmpfs(path: str, size: int) -> tuple[str, ...]:
    return ("--size", str(size), "--perms", "1777", "--tmpfs", path)
