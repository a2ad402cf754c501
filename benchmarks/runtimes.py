"""Turns of the real CLIs: through the gateway, and driven by the pool alone, one after the other.

The model is the scripted server, in a process of its own; gateway and client share this one.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import attrs

from benchmarks.common import run, scratch, show
from codara.adapters.agents.registry import RUNTIMES
from codara.application.accounts import NewAccount
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import Frame, TextDelta
from codara.application.users import NewUser
from codara.bootstrap import serving
from codara.bootstrap.house import House
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import Server, Settings

TURNS = 60
WARM_UP = 5
MODELS = {
    "codex": "gpt-5-codex",
    "gemini": "gemini-2.5-pro",
    "opencode": "opencode/big-pickle",
    "claude": "sonnet",
}
PATHS = {"codex": "/v1", "gemini": "", "opencode": "/v1", "claude": ""}
ACCOUNT = "bench-{}"
PROMPT = "[[text:hello]]"


@attrs.define
class Watched:
    """A sink that notes when the first piece of the answer came from the CLI."""

    sink: FrameSink | None = None
    first: float | None = None

    def raw(self, line: bytes) -> None:
        if self.sink:
            self.sink.raw(line)

    def frame(self, frame: Frame) -> None:
        if self.first is None and isinstance(frame, TextDelta):
            self.first = time.perf_counter()
        if self.sink:
            self.sink.frame(frame)


@attrs.define
class Cost:
    """Milliseconds of one turn; `first` from the CLI's first delta to the client's."""

    total: float
    first: float = 0.0


@attrs.define
class Bench:
    """The gateway, its user, and the pool that the direct turns go to."""

    address: str
    key: str
    house: House
    http: aiohttp.ClientSession
    watched: Watched = attrs.field(factory=Watched)
    threads: dict[str, str | None] = attrs.field(factory=dict)

    def watch(self) -> None:
        """Puts a `Watched` between the gateway's turns and the pool."""
        pool: Any = self.house.means.agents
        plain = pool.run

        async def watching(turn: AgentTurn, sink: FrameSink) -> Outcome:
            self.watched = Watched(sink)
            outcome: Outcome = await plain(turn, self.watched)
            return outcome

        pool.run = watching

    async def through(self, runtime: str) -> Cost:
        """A turn as a client sends it."""
        body = {
            "model": f"{runtime}/{MODELS[runtime]}",
            "messages": [{"role": "user", "content": PROMPT}],
            "workspace_id": runtime,
            "client_session_id": runtime,
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        begun, heard, last = time.perf_counter(), 0.0, b""
        url = f"{self.address}/v1/chat/completions"
        async with self.http.post(url, json=body, headers=headers) as response:
            async for line in response.content:
                if not heard and b'"content":"' in line and b'"content":""' not in line:
                    heard = time.perf_counter()
                last = line.strip() or last
        ended = time.perf_counter()
        if last != b"data: [DONE]" or self.watched.first is None:
            raise SystemExit(f"a turn of {runtime} failed: {last.decode()[:500]}")
        return Cost((ended - begun) * 1000, (heard - self.watched.first) * 1000)

    async def direct(self, runtime: str) -> Cost:
        """The same turn with nothing but the pool: no log, no workspace, no HTTP."""
        workspaces = self.house.means.workspaces
        folder = workspaces.folder("usr_direct", runtime)
        await workspaces.provision(f"wsp_{runtime}", folder)
        begun = time.perf_counter()
        outcome = await self.house.means.agents.run(
            AgentTurn(
                turn_id="trn_direct",
                user_id="usr_direct",
                workspace_id=f"wsp_{runtime}",
                folder=folder,
                provider=runtime,
                model=MODELS[runtime],
                account_id=ACCOUNT.format(runtime),
                instructions="",
                prompt=PROMPT,
                fresh_prompt=PROMPT,
                backend_id=self.threads.get(runtime),
                read_only=False,
                until=utc_now() + timedelta(minutes=1),
                stall_timeout=30.0,
            ),
            Watched(),
        )
        if outcome.status != "completed":
            raise SystemExit(f"{runtime} failed: {outcome}")
        self.threads[runtime] = outcome.backend_id
        return Cost((time.perf_counter() - begun) * 1000)


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """The scripted model in a process of its own; its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "codara.demo.modelserver"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        yield str(told["base_url"]).removesuffix("/v1")
    finally:
        process.terminate()
        await process.wait()


def settings(folder: Path, address: str) -> Settings:
    plain = Settings.at(folder / "data", server=Server(port=0))
    blocks = {
        name: attrs.evolve(plain.providers.named(name), base_url=address + PATHS[name])
        for name in RUNTIMES
    }
    return attrs.evolve(plain, providers=attrs.evolve(plain.providers, **blocks))


@asynccontextmanager
async def bench(folder: Path, address: str) -> AsyncIterator[Bench]:
    """The gateway in this process, with an account for each runtime."""
    ready: asyncio.Future[serving.Running] = asyncio.get_running_loop().create_future()
    loaded = Loaded(settings=settings(folder, address), sources={})
    task = asyncio.create_task(
        serving.serve(loaded, accept_unjailed=False, on_ready=ready.set_result)
    )
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        task.result()
    running = ready.result()
    services = running.house.services
    user = await services.users.provision(NewUser(email="bench@example.org"), "bench")
    for name in RUNTIMES:
        account = NewAccount(
            account_id=ACCOUNT.format(name),
            provider=name,
            auth_type="API_KEY",
            label="bench",
            credential=b"sk-bench",
        )
        await services.accounts.register(account, "bench")
    try:
        async with aiohttp.ClientSession() as http:
            yield Bench(running.address, user.key.raw_key, running.house, http)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def measure(folder: Path, turns: int) -> None:
    """Every runtime: both ways by turns, so that what the machine does meets both alike."""
    async with model_server() as address, bench(folder, address) as at:
        at.watch()
        for runtime in sorted(RUNTIMES):
            through, direct = [], []
            for _ in range(WARM_UP + turns):
                through.append(await at.through(runtime))
                direct.append(await at.direct(runtime))
            totals = [cost.total for cost in through[WARM_UP:]]
            alone = [cost.total for cost in direct[WARM_UP:]]
            firsts = [cost.first for cost in through[WARM_UP:]]
            own = statistics.median(totals) - statistics.median(alone)
            show(f"{runtime}: a warm turn through the gateway, p50", statistics.median(totals))
            show(f"{runtime}: the same turn driven directly, p50", statistics.median(alone))
            show(f"{runtime}: gateway's own time per turn, p50", own, reach="10", unit="ms")
            first = statistics.median(firsts)
            show(f"{runtime}: CLI's first delta to the client, p50", first, reach="5", unit="ms")


def main() -> None:
    """`python -m benchmarks.runtimes [TURNS]`"""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    with scratch() as folder:
        run(measure(folder, turns))


if __name__ == "__main__":
    main()
