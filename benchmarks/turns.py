"""Turns through the gateway, with an agent in the jail that answers at once.

The gateway runs in this process, so that its event loop can be watched and its memory read; the
clients are a process of their own.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from benchmarks.common import furnished, quantile, run, scratch, show, yardstick
from codara.application.ports.agents import AgentTurn
from codara.application.ports.frames import Frame
from codara.bootstrap import serving
from codara.bootstrap.house import House
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import AccountSettings, Orchestrator, ServerSettings, Settings

AGENT = Path(__file__).parent.parent / "tests" / "programs" / "fake_codex.py"
MANY = 1000
WORKERS = 32
SEQUENTIAL = 300
BURST = 3000
SESSIONS = 10_000


class Heartbeat:
    """How long the event loop was blocked at worst, in milliseconds."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def beat(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            self.worst = max(self.worst, (time.perf_counter() - before - 0.001) * 1000)

    def take(self) -> float:
        worst, self.worst = self.worst, 0.0
        return worst


class Deaf:
    """A sink that keeps nothing."""

    def raw(self, line: bytes) -> None:
        return

    def frame(self, frame: Frame) -> None:
        return


@attrs.frozen
class Running:
    """The gateway, and the key of a user who may do much."""

    address: str
    key: str
    house: House


def settings(folder: Path) -> Settings:
    """Limits that do not limit."""
    plain = Settings.at(
        folder / "data",
        server=ServerSettings(port=0),
        orchestrator=Orchestrator(max_concurrency=WORKERS, queue_limit=MANY),
        accounts=AccountSettings(max_concurrency=MANY),
    )
    codex = attrs.evolve(
        plain.providers.codex,
        binary=str(AGENT),
        default_model="fake-model",
        max_processes=WORKERS + 2,
        base_url="http://127.0.0.1:9/v1",
    )
    return attrs.evolve(plain, providers=attrs.evolve(plain.providers, codex=codex))


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Running]:
    """The gateway in this process."""
    ready: asyncio.Future[serving.ServedGateway] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serving.serve(
            Loaded(settings=settings(folder), sources={}),
            accept_unjailed=False,
            on_ready=ready.set_result,
        )
    )
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        task.result()
    house = ready.result().house
    key = await furnished(house, MANY)
    try:
        yield Running(ready.result().address, key, house)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def load(running: Running, turns: int, concurrency: int, sessions: int = 0) -> Any:
    """Lets the client process send turns."""
    words = [running.address, running.key, str(turns), str(concurrency)]
    if sessions:
        words.append(str(sessions))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load", *words), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    report: Mapping[str, Any] = json.loads(said)
    if report["errors"]:
        raise SystemExit(f"turns failed: {report['errors'][0]}")
    return report


async def direct(running: Running, turns: int) -> list[float]:
    """The same agent driven by the pool alone: no log, no workspace, no HTTP."""
    workspaces = running.house.context.workspaces
    folder = workspaces.folder("usr_direct", "direct")
    await workspaces.provision("wsp_direct", folder)
    costs: list[float] = []
    thread: str | None = None
    for number in range(turns):
        begun = time.perf_counter()
        outcome = await running.house.context.agents.run(
            AgentTurn(
                turn_id=f"trn_{number}",
                user_id="usr_direct",
                workspace_id="wsp_direct",
                folder=folder,
                provider="codex",
                model="fake-model",
                account_id="bench",
                instructions="",
                prompt="hello",
                fresh_prompt="hello",
                backend_id=thread,
                read_only=False,
                until=utc_now() + timedelta(minutes=1),
                stall_timeout=30.0,
            ),
            Deaf(),
        )
        if outcome.status != "completed":
            raise SystemExit(f"the agent failed: {outcome}")
        thread = outcome.backend_id
        costs.append((time.perf_counter() - begun) * 1000)
    return costs


def memory() -> float:
    """Resident MiB of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure(folder: Path, sessions: int) -> None:
    """All figures, in one run."""
    heart = Heartbeat()
    async with gateway(folder) as running:
        show("a million steps of plain Python", yardstick(), unit="ms")
        show("memory of the gateway, idle", memory(), reach="80", unit="MiB")
        beating = asyncio.create_task(heart.beat())
        await load(running, 20, 1)
        heart.take()
        through = (await load(running, SEQUENTIAL, 1))["costs"]
        stalls = [heart.take()]
        alone = await direct(running, SEQUENTIAL)
        heart.take()
        own = statistics.median(through) - statistics.median(alone[10:])
        show("a turn through the gateway, p50", statistics.median(through), unit="ms")
        show("the same turn driven directly, p50", statistics.median(alone[10:]), unit="ms")
        show("gateway's own time per turn, p50", own, reach="8", unit="ms")
        await load(running, WORKERS * 2, WORKERS)
        heart.take()
        burst = await load(running, BURST, WORKERS)
        stalls.append(heart.take())
        show(f"turns/s at concurrency {WORKERS}", burst["rate"], reach="200")
        show("  of them p50", statistics.median(burst["costs"]), unit="ms")
        show("  of them p99", quantile(burst["costs"], 0.99), unit="ms")
        show("event loop blocked at worst, one by one", stalls[0], reach="50", unit="ms")
        show("event loop blocked at worst, under load", stalls[1], reach="50", unit="ms")
        await load(running, sessions, WORKERS, sessions)
        show(f"memory after {sessions} sessions more", memory(), reach="150", unit="MiB")
        beating.cancel()


def main() -> None:
    """`python -m benchmarks.turns [SESSIONS]`"""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with scratch() as folder:
        run(measure(folder, sessions))


if __name__ == "__main__":
    main()
