"""What the agents' tests share: a sink that remembers, a vault of one key, turns, a whole pool."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from codara.adapters.agents.codex.runtime import CodexRuntime
from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.pool.pool import AgentPool
from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.unsafe import Unsafe
from codara.application.ports.agents import AgentTurn, Outcome
from codara.application.ports.secrets import Vault
from codara.clock import utc_now
from codara.config.providers import Provider
from tests.fakes.journal import Journal
from tests.fakes.sink import Listener
from tests.fakes.vault import ONE_KEY

JAIL_UID = 10001
FAKE = Path(__file__).parent / "programs" / "fake_codex.py"


async def end_agents(pool: AgentPool, workspace_id: str) -> None:
    """Ends a workspace's agents, which keep their homes; waits for a turn at work in them."""
    async with pool._vacated(workspace_id):
        return


@attrs.frozen
class Den:
    """A pool at work in a folder of its own."""

    root: Path
    pool: AgentPool
    journal: Journal
    provider: str = "codex"

    def turn(self, prompt: str, **changes: Any) -> AgentTurn:
        """A turn of workspace `wsp_1`, unless the changes say otherwise."""
        workspace_id = changes.get("workspace_id", "wsp_1")
        folder = self.root / "workspaces" / workspace_id
        if not folder.exists():
            folder.mkdir(parents=True)
            if os.geteuid() == 0:
                os.chown(folder, JAIL_UID, JAIL_UID)
        given: dict[str, Any] = {
            "turn_id": "trn_1",
            "user_id": "usr_1",
            "workspace_id": workspace_id,
            "folder": folder,
            "provider": self.provider,
            "model": "gpt-6-astra",
            "account_id": "acc_1",
            "instructions": "",
            "prompt": prompt,
            "fresh_prompt": prompt,
            "fresh_images": changes.get("images", ()),
            "backend_id": None,
            "read_only": False,
            "until": utc_now() + timedelta(seconds=60),
            "stall_timeout": 30.0,
        }
        return AgentTurn(**given | changes)

    async def run(self, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
        listener = Listener()
        return await self.pool.run(self.turn(prompt, **changes), listener), listener

    def workspace(self, workspace_id: str = "wsp_1") -> Path:
        return self.root / "workspaces" / workspace_id

    async def close_home(self, workspace_id: str) -> None:
        await end_agents(self.pool, workspace_id)


def an_idle_house(homes: Homes, vault: Vault = ONE_KEY) -> RuntimeContext:
    """For runtimes that start no agent."""
    return RuntimeContext(
        jails=Unsafe(Journal()), ways_out=WaysOut(Journal()), homes=homes, vault=vault
    )


@asynccontextmanager
async def a_den(root: Path, settings: Provider, *, walls: bool) -> AsyncIterator[Den]:
    """A pool with codex alone, jailed or not; everything is gone afterwards."""
    async with a_den_of(root, lambda house: CodexRuntime(settings, house), walls=walls) as den:
        yield den


@asynccontextmanager
async def a_den_of(
    root: Path, make: Callable[[RuntimeContext], Runtime], *, walls: bool, vault: Vault = ONE_KEY
) -> AsyncIterator[Den]:
    """A pool with one runtime alone, jailed or not; everything is gone afterwards."""
    journal = Journal()
    drops = walls and os.geteuid() == 0
    jails: Jails = Bubblewrap(journal, uid=JAIL_UID) if walls else Unsafe(journal)
    await jails.start_up()
    homes = Homes(root / "homes", JAIL_UID if drops else None)
    ways = WaysOut(journal, walls=walls)
    runtime = make(RuntimeContext(jails=jails, ways_out=ways, homes=homes, vault=vault))
    pool = AgentPool({runtime.name: runtime})
    try:
        yield Den(root, pool, journal, runtime.name)
    finally:
        await pool.close()
        await jails.close()
        await ways.close()
