"""A real hello: an agent's program is started in a jail of its own and says its version."""

import asyncio
import secrets
from pathlib import Path

from codara.adapters.agents.programs import Program
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.spec import JailLimits, JailSpec
from codara.errors import AgentFailed

ANSWER_SECONDS = 30.0


async def hello(
    program: Program, *, runtime: str, jails: Jails, scratch: Path, limits: JailLimits
) -> str:
    """The first line of ``--version``, said inside a jail whose folders are below `scratch`.

    AgentFailed if it says nothing within 30 s, JailUnavailable where no jail can be made.
    """
    folders = scratch / runtime / "workspace", scratch / runtime / "home"
    for folder in folders:
        await asyncio.to_thread(folder.mkdir, parents=True)
        await jails.adopt(folder)
    spec = JailSpec(
        jail_id=f"jail_hello_{secrets.token_hex(8)}",
        workspace_id="hello",
        runtime=runtime,
        argv=(*program.words, "--version"),
        env={},
        workspace=folders[0],
        home=folders[1],
        program_dirs=program.folders,
        limits=limits,
    )
    jail = await jails.start(spec, jails.open_doors())
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await jail.stdout.read(-1)
        words = await jail.last_words()
    except TimeoutError:
        raise AgentFailed(f"{program.path} says nothing in the jail") from None
    finally:
        await jail.close(grace=0)
    lines = said.decode("utf-8", "replace").strip().splitlines()
    if not lines:
        why = words[-300:].decode("utf-8", "replace").strip() or "it said nothing"
        raise AgentFailed(f"{program.path} does not run in the jail: {why}")
    return lines[0].strip()
