"""Finds out whether the jail holds here: by running one, and trying to get out of it."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from codara.adapters.jail import attempts
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.network import listen
from codara.adapters.jail.spec import JailSpec
from codara.adapters.jail.wayout import Listeners, NoWayOut
from codara.errors import JailUnavailable

ANSWER_SECONDS = 20.0

ESCAPES = {
    "host_accounts": "the host's /etc/shadow can be read",
    "host_files": "a file outside the workspace can be read",
    "host_processes": "the gateway's process can be seen",
    "write_system": "/usr can be written to",
    "write_root": "the jail's root can be written to",
    "mount": "file systems can be mounted",
    "new_user_namespace": "user namespaces can be made",
    "trace": "processes can be traced",
    "hypervisor_socket": "AF_VSOCK sockets can be made",
    "host_loopback": "the host's loopback can be reached",
    "host_abstract_socket": "the host's abstract sockets can be reached",
}
NEEDS = {
    "way_out": "the way out cannot be reached",
    "workspace": "the workspace cannot be written to",
}
REMEDY = "Do not run agents here: report the kernel and bubblewrap versions with this output."
NO_MEMORY_LIMIT = (
    "an agent's memory is not limited: run the gateway in a delegated control group"
    " (systemd: `Delegate=yes`)"
)


@attrs.frozen(kw_only=True)
class JailCheck:
    name: str
    ok: bool
    detail: str = ""
    remedy: str = ""


@attrs.frozen(kw_only=True)
class ProbeResult:
    """`ok` only if every check is; what is merely weaker than it could be says so in `detail`."""

    ok: bool
    checks: tuple[JailCheck, ...]


class _BlindAlley(NoWayOut):
    """A way out with one port, at which nothing but the connection is had."""

    ports = (8377,)

    def __init__(self) -> None:
        self._listeners: Listeners = {}

    async def serve(self, listeners: Listeners) -> None:
        self._listeners = listeners

    async def close(self) -> None:
        for listener in self._listeners.values():
            listener.close()


class NoJournal:
    """Forgets what jails report: a probe is no part of the log."""

    async def started(self, **_: object) -> None:
        """Nothing."""

    async def exited(self, jail_id: str, **_: object) -> None:
        """Nothing."""

    async def killed(self, jail_id: str, **_: object) -> None:
        """Nothing."""

    async def egress_denied(self, jail_id: str, **_: object) -> None:
        """Nothing."""


async def probe(*, uid: int = 10001) -> ProbeResult:
    """Runs a jail that tries to escape; takes about a tenth of a second and never raises for it."""
    jails = Bubblewrap(NoJournal(), uid=uid)
    try:
        await jails.start_up()
        enforced, answer = await _attempt(jails)
    except JailUnavailable as refused:
        layer, _, rest = refused.message.partition(": ")
        failed = JailCheck(name="jail", ok=False, detail=refused.message, remedy=rest or layer)
        return ProbeResult(ok=False, checks=(failed,))
    finally:
        await jails.close()
    checks = (JailCheck(name="jail", ok=True), *_judge(answer), _limits(enforced))
    return ProbeResult(ok=all(check.ok for check in checks), checks=checks)


async def _attempt(jails: Bubblewrap) -> tuple[Sequence[str], Mapping[str, str | None]]:
    with contextlib.ExitStack() as things:
        folder = Path(things.enter_context(tempfile.TemporaryDirectory(prefix="codara-probe-")))
        port, name = _targets(things)
        outside = folder / "outside"
        outside.write_text("secret", encoding="ascii")
        way_out = _BlindAlley()
        inside = str(way_out.ports[0])
        spec = _spec(folder, [str(os.getpid()), str(port), name, str(outside), inside])
        for made in (spec.workspace, spec.home):
            made.mkdir()
            await jails.adopt(made)
        jail = await jails.start(spec, way_out)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await jail.stdout.read(-1)
            return jail.limits, json.loads(said)
        except (TimeoutError, ValueError) as failure:
            words = (await jail.last_words()).decode(errors="replace")[-500:]
            raise JailUnavailable(f"self-test: it did not answer ({words or failure})") from failure
        finally:
            await jail.close(grace=0)


def _spec(folder: Path, arguments: list[str]) -> JailSpec:
    """Our own interpreter is the program: there need not be another one on the host."""
    interpreter = Path(sys.executable).resolve()
    script = Path(attempts.__file__).read_text(encoding="utf-8")
    return JailSpec(
        jail_id=f"jail_probe_{secrets.token_hex(8)}",
        workspace_id="probe",
        runtime="probe",
        argv=(str(interpreter), "-I", "-S", "-c", script, *arguments),
        env={},
        workspace=folder / "workspace",
        home=folder / "home",
        program_dirs=tuple(_of_interpreter()),
    )


def _of_interpreter() -> Iterator[Path]:
    prefix = Path(sys.base_prefix).resolve()
    if not prefix.is_relative_to("/usr") or prefix.is_relative_to("/usr/local"):
        yield prefix


def _targets(things: contextlib.ExitStack) -> tuple[int, str]:
    """A port and an abstract socket on the host that a jail must not reach."""
    listener = things.enter_context(listen(0))
    name = f"codara-probe-{secrets.token_hex(8)}"
    abstract = things.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    abstract.bind("\0" + name)
    abstract.listen(1)
    return listener.getsockname()[1], name


def _judge(answer: Mapping[str, str | None]) -> Iterator[JailCheck]:
    for name, danger in ESCAPES.items():
        escaped = answer.get(name, "not tried") is not None
        yield JailCheck(
            name=name,
            ok=not escaped,
            detail=danger if escaped else "",
            remedy=REMEDY if escaped else "",
        )
    for name, lack in NEEDS.items():
        works = answer.get(name) is not None
        yield JailCheck(
            name=name, ok=works, detail="" if works else lack, remedy="" if works else REMEDY
        )


def _limits(enforced: Sequence[str]) -> JailCheck:
    bounded = any("memory" in name for name in enforced)
    detail = ", ".join(enforced)
    return JailCheck(
        name="limits",
        ok=True,
        detail=detail if bounded else f"{detail}; {NO_MEMORY_LIMIT}",
    )
