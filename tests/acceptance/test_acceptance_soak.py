"""Many turns over every runtime while processes are killed at random: nothing is left over."""

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from codara.demo.agents import AGENTS
from codara.runtimes import PROVIDERS
from tests.gateway_process import Gateway, gateway
from tests.http_reply import Reply
from tests.processes import agents_below, descriptors_of

pytestmark = [pytest.mark.cli, pytest.mark.soak, pytest.mark.timeout(3600)]

TURNS = 200
WARM_UP = 60
WORKERS = 4
SEED = 20260301
DEADLY = 0.4
"""The share of turns that come with a kill."""
KEEP_ALIVE_SECONDS = 35.0
"""Longer than an unused connection is kept: for 15 s, and looked for every 15 s."""

MODELS = {
    "codex": "codex/gpt-5-codex",
    "gemini": "gemini/gemini-2.5-pro",
    "opencode": "opencode/opencode/big-pickle",
    "claude": "claude/sonnet",
}

SETTINGS = """
[orchestrator]
disconnect_grace_seconds = 0.1
[accounts]
cooldown_seconds = 0.1
"""
PATIENT = "idle_seconds = 1\nstall_timeout_seconds = 20\n"

TOOL = "sleep 30.{number:04}"
"""A tool that shows of which turn it is."""
TOOL_OF = re.compile(r"sleep 30\.(\d{4})")
PLANS = (
    *(("[[text:{said}]]", 0.0),) * 4,
    *(("[[write:f{number}.txt=x]] [[text:{said}]]", 0.0),) * 2,
    ("[[shell:sleep 0.4]] [[text:{said}]]", 0.0),
    ("[[sleep:0.5]] [[text:{said}]]", 0.0),
    ("[[slow:0.5]] [[text:{said}]]", 0.0),
    ("[[fail:500]]", 0.0),
    ("[[hang:mid]]", 1.0),
    (f"[[shell:{TOOL}]]", 1.0),
)
"""What a turn is asked, and after how many seconds (0: never) its client leaves."""


def blocks(address: str) -> str:
    """The configuration of every runtime but codex, which a `Gateway` writes itself."""
    others = [name for name in PROVIDERS if name != "codex"]
    told = (f'[providers.{n}]\nbase_url = "{address}{AGENTS[n].path}"\n{PATIENT}' for n in others)
    return SETTINGS + "".join(told)


@attrs.frozen
class Standing:
    """What a gateway that has nothing to do holds."""

    descriptors: Counter[str]
    mounts: int
    memory: int


@attrs.define
class Soak:
    """Turns and kills; `outcomes` counts how the turns ended.

    An agent whose tool is killed goes on, and its model may well call that an end: `tools_killed`
    has the numbers of those turns.
    """

    house: Gateway
    chance: random.Random
    outcomes: Counter[str] = attrs.field(factory=Counter)
    killers: list[asyncio.Task[None]] = attrs.field(factory=list)
    kills: int = 0
    tools_killed: set[int] = attrs.field(factory=set)
    number: int = 0

    async def turns(self, count: int) -> None:
        """So many turns, spread over the workers, with kills here and there."""
        last = self.number + count
        await asyncio.gather(*(self._work(worker, last) for worker in range(WORKERS)))
        await asyncio.gather(*self.killers)
        self.killers.clear()

    async def _work(self, worker: int, last: int) -> None:
        while self.number < last:
            self.number += 1
            if self.chance.random() < DEADLY:
                self.killers.append(asyncio.create_task(self._kill()))
            await self._turn(worker, self.number)

    async def _turn(self, worker: int, number: int) -> None:
        runtime = self.chance.choice(sorted(PROVIDERS))
        plan, leaves = self.chance.choice(PLANS)
        prompt = plan.format(said=said_by(number), number=number)
        asked = self.house.chat(
            prompt, model=MODELS[runtime], workspace_id=f"{runtime}{worker}", client_session_id="s"
        )
        try:
            async with asyncio.timeout(leaves or 120):
                reply = await asked
        except TimeoutError:
            assert leaves, f"turn {number} of {runtime} did not end: {prompt}"
            self.outcomes["left"] += 1
            return
        self._judge(runtime, plan, number, reply)

    def _judge(self, runtime: str, plan: str, number: int, reply: Reply) -> None:
        """No answer is a success unless it is the whole one, but where this turn's tool died."""
        if reply.status != 200:
            cause = reply.body.get("codara", {}).get("cause", "")
            self.outcomes[f"{runtime} {reply.code} {cause}"] += 1
            return
        (choice,) = reply.body["choices"]
        content, said = choice["message"]["content"], said_by(number)
        if "{said}" not in plan:
            assert TOOL in plan, f"{runtime} called {plan} a success: {content!r}"
            assert number in self.tools_killed, f"{runtime} called {plan} a success of its own"
            said = f"Done: shell {TOOL.format(number=number)}."
        assert content.strip() == said, f"{runtime} said {content!r} instead of {said!r}"
        assert choice["finish_reason"] == "stop"
        self.outcomes[f"{runtime} completed"] += 1

    async def _kill(self) -> None:
        """Some time from now, any process of any agent."""
        await asyncio.sleep(self.chance.uniform(0.0, 3.0))
        if alive := await below(self.house):
            chosen = self.chance.choice(alive)
            with suppress(OSError):
                tool = TOOL_OF.search(" ".join(words_of(chosen)))
                os.kill(chosen, signal.SIGKILL)
                self.kills += 1
                self.tools_killed |= {int(tool[1])} if tool else set()


def said_by(number: int) -> str:
    """What the model says at the end of a turn."""
    return f"number {number}"


def words_of(pid: int) -> list[str]:
    """The command line of a process; OSError if it is gone."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")


async def below(house: Gateway) -> list[int]:
    """The living processes below the gateway."""
    assert house.process is not None
    return await agents_below(house.process.pid)


async def at_rest(house: Gateway) -> Standing:
    """How it stands once every agent has been given up; fails if one never is."""
    await house.http.close()
    house.http = aiohttp.ClientSession()
    async with asyncio.timeout(60):
        while await below(house) or await _running(house):
            await asyncio.sleep(0.2)
    await house.http.close()
    house.http = aiohttp.ClientSession()
    await asyncio.sleep(KEEP_ALIVE_SECONDS)
    assert house.process is not None
    proc = Path(f"/proc/{house.process.pid}")
    (resident,) = (
        line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return Standing(
        descriptors=descriptors_of(house.process.pid),
        mounts=len((proc / "mounts").read_text().splitlines()),
        memory=int(resident.split()[1]),
    )


async def _running(house: Gateway) -> list[Any]:
    tasks = await house.operator("GET", "/tasks?limit=50")
    return [task for task in tasks.data if task["ended_at"] is None]


async def count_of(house: Gateway, action: str) -> int:
    """How many such events there are."""
    found, cursor = 0, ""
    while True:
        path = f"/audit?limit=200&action={action}{cursor}"
        reply = await house.operator("GET", path)
        found += len(reply.data)
        page = reply.body["meta"]["page"]
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['cursor']}"


async def everything_is_given_back(house: Gateway) -> None:
    """No lock, no open turn, no jail that never ended."""
    workspaces = await house.operator("GET", "/workspaces?limit=200")
    assert {each["locked_by"] for each in workspaces.data} == {None}
    sessions = await house.operator("GET", "/sessions?limit=200")
    assert {each["status"] for each in sessions.data} <= {"idle", "dirty"}
    assert await count_of(house, "jail.started") == await count_of(house, "jail.exited")
    ready = await house.call("GET", "/readyz")
    assert ready.status == 200, ready.body


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, provider=PATIENT) as opened:
        opened.settings = blocks(opened.model_address)
        await opened.stop()
        await opened.start()
        user = {"email": "busy@example.org", "max_concurrency": 4 * WORKERS}
        opened.key = (await opened.operator("POST", "/users", user)).data["api_key"]["raw_key"]
        for runtime in PROVIDERS:
            for name in ("one", "two"):
                await lend(opened, runtime, name)
        yield opened


async def lend(house: Gateway, runtime: str, name: str) -> None:
    account = {
        "account_id": f"{runtime}-{name}",
        "provider": runtime,
        "auth_type": "API_KEY",
        "label": name,
        "credential_text": f"sk-{runtime}-{name}",
    }
    assert (await house.operator("POST", "/accounts/upload", account)).status == 201


async def test_after_many_turns_and_random_kills_nothing_is_left(house: Gateway) -> None:
    soak = Soak(house, random.Random(SEED))
    await soak.turns(WARM_UP)
    before = await at_rest(house)
    await soak.turns(TURNS)
    after = await at_rest(house)
    print(f"\n{soak.number} turns, {soak.kills} kills: {dict(sorted(soak.outcomes.items()))}")
    print(f"KiB of memory: {before.memory}, then {after.memory}")
    await everything_is_given_back(house)
    assert after.descriptors - before.descriptors == Counter()
    assert after.mounts == before.mounts
    assert after.memory <= before.memory * 1.1
    for runtime in PROVIDERS:
        assert soak.outcomes[f"{runtime} completed"] > 0
    assert await house.stop() == 0
