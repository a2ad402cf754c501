"""One-off calls: what each of them leaves in the read models, in memory and in homes.

``python -m benchmarks.oneoffs [CALLS]``: twice that many requests with one user message and no
session's name, through the doors of a gateway in this process, with an agent that is a function and
keeps a file for each thread. First their sessions last a day; then they last a few seconds, and the
homes are tidied meanwhile. Each time it is a process of its own, as its memory is looked at.
"""

import asyncio
import gc
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from benchmarks.common import CAUSE, furnished, run, scratch, show
from codara.application.ports.agents import AgentTurn, FrameSink, Outcome
from codara.application.ports.frames import BackendSeen, MarkSeen, TextDelta
from codara.application.tidying import Tidying
from codara.application.turns.submit import Turns
from codara.application.workspaces import WorkspaceDesk
from codara.bootstrap.house import House, open_house
from codara.config.load import Loaded
from codara.config.settings import Orchestrator, ServerSettings, Settings
from codara.http import app, server
from codara.projections import threads

CALLS = 5_000
WORKSPACES = 8
LASTING, PASSING = "lasting", "passing"
SECONDS = {LASTING: 24 * 3600.0, PASSING: 5.0}
"""Seconds that a session lasts after its only turn."""
TIDY_SECONDS = 2.0
FILE_BYTES = 20_000
"""As much as a CLI writes of a short conversation."""


@attrs.define
class FileAgents:
    """An agent that answers at once and keeps one file a thread; the rest of its port is harmless.

    Everything that it is not asked for here is the real pool's.
    """

    pool: Any
    folder: Path
    threads: int = 0

    async def run(self, turn: AgentTurn, sink: FrameSink) -> Outcome:
        await turn.permitted()
        self.threads += 1
        thread = turn.backend_id or f"00000000-0000-7000-8000-{self.threads:012}"
        file = self._home(turn.workspace_id, turn.provider) / thread
        await asyncio.to_thread(file.write_bytes, bytes(FILE_BYTES))
        sink.frame(BackendSeen(thread))
        sink.frame(TextDelta("fine"))
        sink.frame(MarkSeen(f"mark-{self.threads}"))
        return Outcome(status="completed", backend_id=thread)

    async def forget(self, workspace_id: str, provider: str, backend_ids: Sequence[str]) -> None:
        home = self._home(workspace_id, provider)
        for each in backend_ids:
            (home / each).unlink(missing_ok=True)

    async def home_bytes(self, workspace_id: str, provider: str) -> int:
        home = self._home(workspace_id, provider)
        return sum(file.stat().st_size for file in home.iterdir())

    def _home(self, workspace_id: str, provider: str) -> Path:
        home = self.folder / workspace_id / provider
        home.mkdir(parents=True, exist_ok=True)
        return home

    def files(self) -> int:
        """How many threads lie in all homes."""
        return sum(1 for file in self.folder.rglob("*") if file.is_file())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)


@attrs.frozen
class Gateway:
    """The house behind its doors, its agents, and a key."""

    house: House
    turns: Turns
    agents: FileAgents
    address: str
    key: str

    def tidying(self) -> Tidying:
        return Tidying(
            deciding=self.house.deciding,
            threads=self.house.views.threads,
            feed=self.house.views,
            agents=self.agents,
            clock=self.house.context.clock,
            cause=CAUSE,
            bound=self.house.settings.workspace.home_bytes,
        )


@asynccontextmanager
async def gateway(folder: Path, lasts: float) -> AsyncIterator[Gateway]:
    """A gateway as it is put together for `serve`, but for its agents."""
    settings = Settings.at(
        folder / "data",
        server=ServerSettings(port=0),
        orchestrator=Orchestrator(session_ttl_hours=lasts / 3600),
    )
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(Loaded(settings=settings, sources={})))
        agents = FileAgents(house.context.agents, folder / "kept")
        context = attrs.evolve(house.context, agents=agents)
        desk = WorkspaceDesk(
            deciding=context.deciding,
            workspaces=context.workspaces,
            keys=context.keys,
            new_id=context.new_id,
        )
        turns = Turns(context, desk)
        stack.push_async_callback(turns.close, 1.0)
        doors = server.runner(app.build(attrs.evolve(house.services, turns=turns)))
        await doors.setup()
        stack.push_async_callback(doors.cleanup)
        await web.TCPSite(doors, "127.0.0.1", 0).start()
        key = await furnished(house, WORKSPACES)
        address = f"http://127.0.0.1:{doors.addresses[0][1]}"
        yield Gateway(house, turns, agents, address, key)


async def call(http: aiohttp.ClientSession, calls: int) -> None:
    """Makes that many calls, each workspace with one of them at a time."""

    async def worker(number: int) -> None:
        for turn in range(number, calls, WORKSPACES):
            body = {
                "model": "codex/gpt-5-codex",
                "messages": [{"role": "user", "content": f"What is {turn} times {turn}?"}],
                "workspace_id": f"w{number}",
            }
            async with http.post("/v1/chat/completions", json=body) as answer:
                if answer.status != 200:
                    raise SystemExit(f"a call failed: {await answer.text()}")
                await answer.read()

    await asyncio.gather(*(worker(number) for number in range(WORKSPACES)))


# ------------------------------------------------------------------ what is left


def memory() -> float:
    """Resident MiB of this process, without what can be collected."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def sizes(gateway: Gateway) -> Counter[str]:
    """Bytes of each read model, without what its file could give back."""
    found: Counter[str] = Counter()
    for name, path in gateway.house.views.files().items():
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            pages, free, size = (
                db.execute(f"PRAGMA {each}").fetchone()[0]
                for each in ("page_count", "freelist_count", "page_size")
            )
            found[name] = (pages - free) * size
    found["log"] = sum(
        file.stat().st_size for file in (gateway.house.settings.server.data_dir).glob("events.db*")
    )
    return found


def rows(gateway: Gateway) -> Counter[str]:
    """Rows of the tables that hold what is only kept for a time."""
    found: Counter[str] = Counter()
    for name in ("threads", "points", "unfinished"):
        path = gateway.house.views.files()[name]
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                (found[f"{name}.{table}"],) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found - Counter({f"{name}.progress": 1 for name in ("threads", "points", "unfinished")})


def objects(gateway: Gateway) -> Counter[str]:
    """How much the gateway's own tables in memory hold."""
    context, turns = gateway.house.context, gateway.turns
    line = turns._line
    return Counter(
        {
            "Deciding._cache (at most 20,000)": len(context.deciding._cache),
            "Finder._recent": len(context.finder._recent),
            "Turns._runs": len(turns.running._runs),
            "Turns._carriers": len(turns.running._carriers),
            "Turns._keys": len(turns._keys._locks),
            "Line._line": len(line._line),
            "Line._served": sum(len(each) for each in line._served.values()),
            "Slots._reserved": len(context.slots._reserved),
        }
    )


def kinds() -> Counter[str]:
    """How many objects there are of each class."""
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects())


async def measure(folder: Path, calls: int, how: str) -> None:
    """The calls in two halves: the second one tells what grows."""
    threads.SETTLING = timedelta(seconds=1)
    async with gateway(folder, SECONDS[how]) as made:
        headers = {"Authorization": f"Bearer {made.key}"}
        tidying = asyncio.create_task(_tidied(made, how))
        async with aiohttp.ClientSession(made.address, headers=headers) as http:
            await call(http, 10 * WORKSPACES)
            halves = [(memory(), sizes(made), kinds())]
            for _ in range(2):
                await call(http, calls // 2)
                await made.house.views.wait_for(made.house.log.head(), 10)
                halves.append((memory(), sizes(made), kinds()))
        _tell(made, calls // 2, halves)
        if how == PASSING:
            await asyncio.sleep(SECONDS[how] + TIDY_SECONDS + 2)
            await made.tidying().pass_over()
            async with aiohttp.ClientSession(made.address, headers=headers) as http:
                await call(http, calls // 10)
            await made.house.views.wait_for(made.house.log.head(), 10)
            show("some seconds and calls later: files in homes", made.agents.files())
            for name, number in sorted(rows(made).items()):
                show(f"  rows of {name}", number)
        tidying.cancel()
        await asyncio.wait({tidying})


async def _tidied(made: Gateway, how: str) -> None:
    if how == PASSING:
        await made.tidying().keep(TIDY_SECONDS)


def _tell(
    made: Gateway, half: int, halves: Sequence[tuple[float, Counter[str], Counter[str]]]
) -> None:
    for name in sorted(halves[0][1]):
        first, second = (halves[n + 1][1][name] - halves[n][1][name] for n in range(2))
        show(f"bytes a call, {name}, first half", first / half)
        show(f"bytes a call, {name}, second half", second / half)
    show("memory before", halves[0][0], unit="MiB")
    show("memory after the first half", halves[1][0], unit="MiB")
    show("memory after the second half", halves[2][0], unit="MiB")
    grown = halves[2][2] - halves[1][2]
    for name, number in grown.most_common(8):
        show(f"objects more in the second half, {name}", number)
    for name, number in objects(made).items():
        show(f"held, {name}", number)
    show("files in homes", made.agents.files())
    for name, number in sorted(rows(made).items()):
        show(f"rows of {name}", number)


def main() -> None:
    """`python -m benchmarks.oneoffs [CALLS]`, or with the way after it, for one of the two."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    if len(sys.argv) > 2:
        with scratch() as folder:
            run(measure(folder, calls, sys.argv[2]))
        return
    for how in (LASTING, PASSING):
        print(f"--- {how} sessions", flush=True)
        words = ["-m", "benchmarks.oneoffs", str(calls), how]
        subprocess.run([sys.executable, *words], check=True)


if __name__ == "__main__":
    main()
