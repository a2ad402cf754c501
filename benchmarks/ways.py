"""The two ways of a turn: as a client sends it to the gateway, and driven by its pool alone.

The gateway runs in this process; the client and the scripted model are processes of their own.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import attrs
import orjson

from benchmarks.common import CAUSE
from benchmarks.processor import Computed, computed
from codara.adapters.agents.home import listings
from codara.application.accounts import NewAccount
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome, at_once
from codara.application.ports.frames import Frame, TextDelta
from codara.application.users import NewUser
from codara.bootstrap import serving
from codara.clock import utc_now
from codara.config.load import Loaded
from codara.config.settings import ServerSettings, Settings
from codara.demo.agents import AGENTS
from codara.runtimes import PROVIDERS

LEARNING_SECONDS = 120.0
MODELS = {
    "codex": "gpt-5-codex",
    "gemini": "gemini-2.5-pro",
    "opencode": "opencode/big-pickle",
    "claude": "sonnet",
}
ACCOUNT = "bench-{}"
PROMPT = "[[text:hello]]"
RunTurn = Callable[[AgentTurn, FrameSink], Awaitable[Outcome]]


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


@attrs.define(kw_only=True)
class Cost:
    """Milliseconds of one turn: in all, outside the agent, from its first delta to the client's.

    `computed` is what the agent's process computed in it, `worked` what the gateway's event loop
    did while the turn was the agent's.
    """

    total: float
    computed: Computed
    worked: float
    outside: float = 0.0
    first: float = 0.0


@attrs.define
class Bench:
    """The gateway's client, and how the pool runs turns, which the direct ones go to."""

    client: asyncio.subprocess.Process
    run: RunTurn
    session: str = "first"
    watched: Watched = attrs.field(factory=Watched)
    inside: float = 0.0
    looking: float = 0.0
    """Seconds it took to look at the agent behind the turn: not the gateway's."""
    waited: float = 0.0
    """For its permission, of the time inside the pool."""
    worked: float = 0.0
    """Processor seconds of the event loop inside the pool, but for that wait."""
    agent: int = 0
    """The process whose turns are measured."""
    computed: Computed = attrs.field(factory=Computed)
    last: AgentTurn | None = None

    @classmethod
    def between(cls, pool: Any, client: asyncio.subprocess.Process) -> Self:
        """Stands between the gateway and its pool, and watches the turns."""
        bench = cls(client, pool.run)
        pool.run = bench.watching
        return bench

    async def watching(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        """A turn of the gateway, whose time inside the pool is taken."""
        self.watched, self.last = Watched(sink), turn
        aside: list[float] = []

        async def permitted() -> None:
            begun, before = time.perf_counter(), time.thread_time()
            await turn.permitted()
            self.waited = time.perf_counter() - begun
            aside.append(time.thread_time() - before)

        outcome = await self._run(attrs.evolve(turn, permitted=permitted), self.watched)
        self.worked -= sum(aside)
        return outcome

    async def _run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        begun, before = time.perf_counter(), time.thread_time()
        outcome = await self.run(turn, sink)
        ended, self.worked = time.perf_counter(), time.thread_time() - before
        self.computed = computed(self.agent)
        self.inside, self.looking = ended - begun, time.perf_counter() - ended
        return outcome

    async def through(self, runtime: str) -> Cost:
        """A turn as a client sends it."""
        body = {
            "model": f"{runtime}/{MODELS[runtime]}",
            "messages": [{"role": "user", "content": PROMPT}],
            "workspace_id": runtime,
            "client_session_id": self.session,
            "stream": True,
        }
        assert self.client.stdin is not None and self.client.stdout is not None
        before = computed(self.agent)
        self.client.stdin.write(orjson.dumps(body) + b"\n")
        told = orjson.loads(await self.client.stdout.readline())
        if told["last"] != "data: [DONE]" or self.watched.first is None:
            raise SystemExit(f"a turn of {runtime} failed: {told['last']}")
        total = told["ended"] - told["begun"] - self.looking
        return Cost(
            total=total * 1000,
            computed=self.computed.since(before),
            worked=self.worked * 1000,
            outside=(total - self.inside + self.waited) * 1000,
            first=(told["heard"] - self.watched.first) * 1000,
        )

    async def direct(self, runtime: str) -> Cost:
        """The gateway's last turn again, with the pool alone: no log, no workspace, no HTTP."""
        assert self.last is not None
        until = utc_now() + timedelta(minutes=1)
        turn = attrs.evolve(self.last, turn_id="trn_direct", until=until, permitted=at_once)
        before = computed(self.agent)
        outcome = await self._run(turn, Watched())
        if outcome.status != "completed":
            raise SystemExit(f"{runtime} failed: {outcome}")
        return Cost(
            total=self.inside * 1000,
            computed=self.computed.since(before),
            worked=self.worked * 1000,
        )


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python module in a process of its own, spoken to by lines."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words), stdin=pipe, stdout=pipe
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """The scripted model; its address."""
    async with program("codara.demo.modelserver") as process:
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
        yield str(told["base_url"]).removesuffix("/v1")


def settings(folder: Path, address: str) -> Settings:
    plain = Settings.at(folder / "data", server=ServerSettings(port=0))
    blocks = {
        name: attrs.evolve(plain.providers.named(name), base_url=address + AGENTS[name].path)
        for name in PROVIDERS
    }
    return attrs.evolve(plain, providers=attrs.evolve(plain.providers, **blocks))


@asynccontextmanager
async def bench(folder: Path, address: str) -> AsyncIterator[Bench]:
    """The gateway in this process, with an account for each runtime."""
    ready: asyncio.Future[serving.ServedGateway] = asyncio.get_running_loop().create_future()
    loaded = Loaded(settings=settings(folder, address), sources={})
    task = asyncio.create_task(
        serving.serve(loaded, accept_unjailed=False, on_ready=ready.set_result)
    )
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        task.result()
    running = ready.result()
    services = running.house.services
    user = await services.users.provision(NewUser(email="bench@example.org"), CAUSE)
    for name in PROVIDERS:
        account = NewAccount(
            account_id=ACCOUNT.format(name),
            provider=name,
            auth_type="API_KEY",
            label="bench",
            credential=f"sk-bench-{name}".encode(),
        )
        await services.accounts.register(account, CAUSE)
    try:
        async with program("benchmarks.load_one", running.address, user.key.raw_key) as client:
            await listed(loaded.settings.server.data_dir / listings.FILE)
            yield Bench.between(running.house.context.agents, client)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def listed(file: Path) -> None:
    """Waits until every CLI was asked for its models, as a gateway does once after its start."""
    until = time.monotonic() + LEARNING_SECONDS
    while not file.exists() or json.loads(file.read_bytes()).keys() != set(PROVIDERS):
        if time.monotonic() > until:
            raise SystemExit("not every CLI lists its models")
        await asyncio.sleep(0.2)
