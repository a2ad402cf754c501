"""The thread all jails are children of: `--die-with-parent` follows it, so it lives as we do."""

import asyncio
import contextlib
import json
import os
import platform
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import attrs

from codara.adapters.jail import bwrap, marks, remedies, seccomp, staging
from codara.adapters.jail.orphans import OrphanWatch
from codara.adapters.jail.spec import HOME_INSIDE, JailSpec
from codara.errors import JailUnavailable

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
INFO_SECONDS = 10.0
END_SECONDS = 5.0
P = ParamSpec("P")
R = TypeVar("R")


@attrs.frozen(kw_only=True)
class Spawned:
    """bubblewrap has been started and waits at the gate: `release` is to be written to once."""

    child: "subprocess.Popen[bytes]"
    info: int
    release: int

    def close(self) -> None:
        """Gives the two descriptors back. An open gate lets nothing but the inner gate run."""
        for fd in (self.info, self.release):
            with contextlib.suppress(OSError):
                os.close(fd)


class Spawner:
    """Starts bubblewrap as the user `uid`; a root gateway stages the folders for it first."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self.drops = os.geteuid() == 0
        self._program = self._setpriv = ""
        self._binds_fds = False
        self._watch: OrphanWatch | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="jails")

    async def start(self) -> None:
        """Looks for bubblewrap and makes the thread ready; JailUnavailable."""
        await self.run(self._prepare)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs something in the thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Ends the thread, and with it every jail that is left; then those half made. Blocks."""
        self._thread.shutdown(wait=True)
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def spawn(self, spec: JailSpec, env: dict[str, str]) -> Spawned:
        """Stages and starts; called in the thread. JailUnavailable, with nothing left mounted."""
        try:
            with contextlib.ExitStack() as fds:
                return self._spawn(spec, env, fds)
        except OSError as failure:
            marks.end_marked(marks.mark(spec.jail_id), END_SECONDS)
            self.unstage(spec.jail_id)
            raise JailUnavailable(remedies.FOLDER.format(detail=failure)) from failure

    def unstage(self, jail_id: str) -> None:
        """Takes a jail's mounts down; called in the thread."""
        if self.drops:
            staging.unstage(jail_id)

    def _prepare(self) -> None:
        self._program = shutil.which("bwrap", path=SYSTEM_PATH) or ""
        if not self._program:
            raise JailUnavailable(remedies.INSTALL)
        known = subprocess.run(
            [self._program, "--help"], capture_output=True, timeout=10, check=False
        ).stdout
        for option in (b"--disable-userns", b"--size", b"--perms"):
            if option not in known:
                raise JailUnavailable(remedies.TOO_OLD.format(option=option.decode()))
        self._binds_fds = b"--bind-fd" in known and not self.drops
        if platform.machine() not in seccomp.TABLES:
            raise JailUnavailable(remedies.MACHINE.format(machine=platform.machine()))
        if self.drops:
            self._setpriv = shutil.which("setpriv", path=SYSTEM_PATH) or ""
            if not self._setpriv:
                raise JailUnavailable(remedies.SETPRIV)
            staging.enter()
        self._watch = OrphanWatch()

    def _spawn(self, spec: JailSpec, env: dict[str, str], fds: contextlib.ExitStack) -> Spawned:
        home, workspace, *programs = self._places(spec, fds)
        info, info_end = os.pipe2(os.O_CLOEXEC)
        gate, release = os.pipe2(os.O_CLOEXEC)
        for fd in (info_end, gate):
            fds.callback(os.close, fd)
        command = bwrap.Command(
            mark=marks.mark(spec.jail_id),
            argv=spec.argv,
            env=env,
            home=home,
            programs=tuple(programs),
            workspace=workspace,
            begins_in=spec.begins_in or workspace.inside,
            limits=spec.limits,
            uid=self.uid,
            passwd_fd=_in_memory(bwrap.passwd(self.uid), fds),
            group_fd=_in_memory(bwrap.group(self.uid), fds),
            seccomp_fd=_in_memory(seccomp.program(), fds),
            info_fd=info_end,
            block_fd=gate,
        )
        try:
            child = self._start(command, fds)
        except BaseException:
            os.close(info)
            os.close(release)
            raise
        return Spawned(child=child, info=info, release=release)

    def _start(
        self, command: bwrap.Command, fds: contextlib.ExitStack
    ) -> "subprocess.Popen[bytes]":
        words = b"".join(word.encode() + b"\0" for word in command.arguments())
        arguments = _in_memory(words, fds)
        inherited = [
            arguments,
            command.passwd_fd,
            command.group_fd,
            command.seccomp_fd,
            command.info_fd,
            command.block_fd,
            *(place.fd for place in _all_places(command) if place.fd is not None),
        ]
        return subprocess.Popen(
            [*self._dropping(), self._program, "--args", str(arguments), "--", *command.program()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=inherited,
            env={"PATH": SYSTEM_PATH},
            cwd="/",
            umask=0o022,
            start_new_session=True,
        )

    def _dropping(self) -> Sequence[str]:
        """The words that give up root's rights first.

        Popen's own `user` takes 5 ms more of the gateway's processor: with it Python copies all
        page tables (fork), without it the child borrows them until it is another program (vfork).
        """
        if not self.drops:
            return ()
        return (self._setpriv, f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--")

    def _places(self, spec: JailSpec, fds: contextlib.ExitStack) -> list[bwrap.Mount]:
        wanted = [
            (spec.home, HOME_INSIDE, True),
            (spec.workspace, spec.seen_at or spec.workspace, not spec.read_only_workspace),
            *((path, path, False) for path in spec.program_dirs),
        ]
        if self.drops:
            sources = [staging.Source(name=str(at), path=w[0]) for at, w in enumerate(wanted)]
            staged = staging.stage(spec.jail_id, sources)
            return [
                bwrap.Mount(source=staged[str(at)], inside=inside, writable=writable)
                for at, (_, inside, writable) in enumerate(wanted)
            ]
        return [
            bwrap.Mount(
                source=path, inside=inside, writable=writable, fd=self._open_folder(path, fds)
            )
            for path, inside, writable in wanted
        ]

    def _open_folder(self, path: Path, fds: contextlib.ExitStack) -> int | None:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        fds.callback(os.close, fd)
        return fd if self._binds_fds else None


def _all_places(command: bwrap.Command) -> Sequence[bwrap.Mount]:
    return (command.home, command.workspace, *command.programs)


def _in_memory(content: bytes, fds: contextlib.ExitStack) -> int:
    fd = os.memfd_create("codara")
    fds.callback(os.close, fd)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def read_inner_pid(info: int) -> int | None:
    """The pid of the jail's first process, from bubblewrap's report; None if there was none.

    The report comes in several writes and ends with the pipe. Blocks for 10 s at most.
    """
    report = bytearray()
    ready = select.poll()
    ready.register(info, select.POLLIN)
    give_up = time.monotonic() + INFO_SECONDS
    while ready.poll(max(0.0, give_up - time.monotonic()) * 1000):
        chunk = os.read(info, 4096)
        if not chunk:
            break
        report += chunk
    try:
        return int(json.loads(report)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None
