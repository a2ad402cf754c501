"""The scenes in which the real CLIs are tested.

A scene is one CLI by one of its two transports, in real jails, before a scripted model server. It
lives as long as tests use it, so that the agent in it is warm; each test gets it tidied up.
"""

import asyncio
import os
import re
import shutil
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from codara.adapters.agents.contract import Installed, Runtime
from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.registry import maker
from codara.application.ports.agents import Outcome
from codara.application.ports.frames import BackendSeen, TextDelta, ToolStarted
from codara.config.providers import Provider
from codara.demo.modelserver import ModelServer
from codara.errors import AgentFailed
from tests.agent_pool import Den, a_den_of, an_idle_house
from tests.clis import CLAUDE, CLIS, CODEX, GEMINI, OPENCODE, Cli
from tests.fakes.sink import Listener
from tests.fakes.vault import OneKey
from tests.jail_setup import need_bubblewrap

WITNESS = "TEST_WITNESS"
"""A variable that the gateway of every scene has in its environment."""
WITNESSED = "seen-by-the-gateway-only"

_ENCODED = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
_PICTURE = b"\x89PNG"


class KeyEach(OneKey):
    """A `Vault` that has a key of its own for each account."""

    async def credential(self, account_id: str) -> bytes:
        return f"{key_of(account_id)}\n".encode()


def key_of(account_id: str) -> str:
    return f"sk-the-real-key-of-{account_id}"


class Post:
    """The bodies of what the model server was asked; whoever waits is told of each."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._came = asyncio.Condition()

    @web.middleware
    async def take(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST":
            self.bodies.append(await request.read())
            async with self._came:
                self._came.notify_all()
        return await handler(request)

    async def came(self, count: int) -> None:
        """Waits until that many have come."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.bodies) >= count)

    def pictures(self) -> list[bytes]:
        """Every picture in the last one, as the model would see it."""
        found = map(_decoded, _ENCODED.findall(self.bodies[-1]))
        return [data for data in found if data.startswith(_PICTURE)]


@attrs.frozen
class Scene:
    """One CLI by one transport, and the model server behind it at `address`."""

    cli: Cli
    transport: str
    address: str
    den: Den
    server: ModelServer
    post: Post

    @property
    def stays(self) -> bool:
        """Whether the process outlives its turns."""
        return self.transport == "persistent"

    @property
    def in_pieces(self) -> bool:
        """Whether the answer comes as the model says it; alone, two of the CLIs tell it whole."""
        return self.stays or self.cli in (GEMINI, CLAUDE)

    @property
    def sign(self) -> type:
        """The first frame by which a tool shows: `opencode run` tells of tools that have ended."""
        alone = self.cli.name == "opencode" and not self.stays
        return BackendSeen if alone else ToolStarted

    @property
    def starts(self) -> int:
        """How many processes were started so far."""
        return self.den.journal.started_jails

    @property
    def keys(self) -> list[str]:
        """The keys the model server was shown, request by request."""
        return [self.cli.key_of(seen) for seen in self.server.requests]

    async def run(self, prompt: str, **changes: Any) -> tuple[Outcome, Listener]:
        return await self.den.run(prompt, **{"model": self.cli.model, **changes})

    @asynccontextmanager
    async def under_way(
        self, prompt: str, sign: type = TextDelta, heard: Listener | None = None, **changes: Any
    ) -> AsyncIterator["asyncio.Task[Outcome]"]:
        """A turn from its first frame of the kind `sign` on; cancelled if it has not ended."""
        seen, listener = asyncio.Event(), heard or Listener()
        turn = self.den.turn(prompt, **{"model": self.cli.model, **changes})
        task = asyncio.create_task(self.den.pool.run(turn, listener.hope(sign, seen)))
        try:
            async with asyncio.timeout(100):
                await seen.wait()
            yield task
        finally:
            await _cancelled(task)

    @asynccontextmanager
    async def waiting(self, prompt: str, requests: int, **changes: Any) -> AsyncIterator[None]:
        """A turn from its request of that number on; the prompt lets that one wait for ever."""
        turn = self.den.turn(prompt, **{"model": self.cli.model, **changes})
        task = asyncio.create_task(self.den.pool.run(turn, Listener()))
        try:
            async with asyncio.timeout(100):
                await self.post.came(requests)
            yield
        finally:
            await _cancelled(task)

    async def cancel(self, prompt: str, sign: type, **changes: Any) -> Listener:
        """Cancels a turn once its first frame of that kind has come; gives what it said."""
        heard = Listener()
        async with self.under_way(prompt, sign, heard, **changes) as task:
            task.cancel()
        return heard

    async def learnt(self, name: str) -> Sequence[str]:
        """What the CLI lists, learnt without a turn, once `name` is among it."""
        self.den.pool.learn(self.cli.name)
        async with asyncio.timeout(120):
            while name not in (listed := await self.den.pool.models(self.cli.name)):
                await asyncio.sleep(0.01)
        return listed

    async def tidy(self) -> None:
        """Nothing of an earlier test is remembered; the process of `wsp_1` may be warm."""
        for folder in (self.den.root / "workspaces").glob("*"):
            if folder.name != "wsp_1":
                await self.den.close_home(folder.name)
                shutil.rmtree(folder)
        _empty(self.den.turn("").folder)
        self.server.requests.clear()
        self.server.paths.clear()
        self.post.bodies.clear()
        self.den.journal.killings.clear()


def runtime_of(cli: Cli, house: RuntimeContext, **settings: Any) -> Runtime:
    """The runtime of a CLI, found where it is installed."""
    told = Provider(binary=cli.name, default_model=cli.model, **settings)
    return maker(cli.name)(told, house)


@asynccontextmanager
async def a_scene(cli: Cli, transport: str, *, walls: bool = True) -> AsyncIterator[Scene]:
    """A scene of its own; the test fails, with the remedy, where the CLI is missing."""
    server, post = ModelServer(), Post()
    application = server.application()
    application.middlewares.append(post.take)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}{cli.path}"
    root = _root()
    try:
        make = partial(runtime_of, cli, base_url=address, transport=transport)
        with pytest.MonkeyPatch.context() as around:
            around.setenv(WITNESS, WITNESSED)
            async with a_den_of(root, make, walls=walls, vault=KeyEach()) as den:
                yield Scene(cli, transport, address, den, server, post)
    finally:
        await runner.cleanup()
        shutil.rmtree(root)


def need(cli: Cli) -> None:
    """Fails, with the remedy, where the CLI or bubblewrap is missing; skips only when told to."""
    if os.environ.get("CODARA_TEST_WITHOUT_CLI") == "1":
        pytest.skip("CODARA_TEST_WITHOUT_CLI=1")
    need_bubblewrap()
    house = an_idle_house(Homes(Path()), KeyEach())
    runtime = runtime_of(cli, house)
    assert isinstance(runtime, Installed)
    try:
        runtime.program()
    except AgentFailed as missing:
        pytest.fail(f"{missing}, or set CODARA_TEST_WITHOUT_CLI=1 to leave these tests out")


def scenes(
    *clis: Cli, transports: str = "persistent", soak: str = "", without: tuple[Cli, ...] = ()
) -> pytest.MarkDecorator:
    """Runs a test in these scenes; by the transports in `soak` only in the long torture.

    Those in `without` have no scene by a process of its own.
    """
    cases = [
        pytest.param(
            (cli, transport),
            id=f"{cli.name}-{transport}",
            marks=pytest.mark.soak if transport in soak.split() else (),
        )
        for cli in clis
        for transport in (*transports.split(), *soak.split())
        if cli not in without or transport == "persistent"
    ]
    return pytest.mark.parametrize("stage", cases, indirect=True, scope="session")


staying = scenes(*CLIS)
"""By the transport that stays."""
everywhere = scenes(*CLIS, soak="process")
"""By both transports, one of them only in the long torture."""
sharing = scenes(CODEX, GEMINI, OPENCODE)
"""By the transport that stays, where one process has many threads."""
hearing = scenes(*CLIS, soak="process", without=(CODEX,))
"""Like `everywhere`, but not by `codex exec`, which hears new instructions with its prompt."""
hinting = scenes(*CLIS, soak="process", without=(GEMINI,))
"""Like `everywhere`, but not by ``gemini -o stream-json``, which tells of no files and thoughts."""
rethinking = scenes(CLAUDE, GEMINI, soak="process", without=(GEMINI,))
"""Where an answer that broke off in the middle of a thought is asked for again."""
both = scenes(*CLIS, transports="persistent process")
"""By both transports always: where they differ, and each kind of end is met by each of them once.

A start costs gemini 2 s of CPU and opencode 5, so a test of a process for each turn starts few.
"""
alone = scenes(*CLIS, transports="process")
"""By one process per turn."""


async def _cancelled(task: "asyncio.Task[Outcome]") -> None:
    if not task.done():
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def together(*marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    """Runs a test in the scenes of all of these."""
    cases = [case for mark in marks for case in mark.args[1]]
    return pytest.mark.parametrize("stage", cases, indirect=True, scope="session")


quickly = together(
    scenes(CODEX, CLAUDE, transports="persistent process"), scenes(GEMINI, OPENCODE, soak="process")
)
"""By both transports, where a process for each turn is quick; else in the long torture."""


def _root() -> Path:
    """A folder outside /tmp, where codex refuses to keep its helpers, if there is one."""
    above = Path("/var/lib") if os.access("/var/lib", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="codara-test-", dir=above))
    folder.chmod(0o755)
    return folder


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _decoded(found: bytes) -> bytes:
    try:
        return b64decode(found, validate=True)
    except ValueError:
        return b""
