"""`codara demo`: the real gateway and a real agent CLI, with a scripted model behind them."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

from codara.bootstrap.serving import ServedGateway, serve
from codara.client import running as gateways
from codara.client.client import listed
from codara.client.remote import remote
from codara.config.load import Loaded
from codara.config.providers import Providers
from codara.config.settings import ServerSettings, Settings
from codara.demo import conversation, tools, trail
from codara.demo.agents import AGENTS, Agent
from codara.demo.modelserver import ModelServer
from codara.errors import CodaraError

ACCOUNT = "demo"
CREDENTIAL = "sk-demo-scripted-model"
LOOPBACK = "127.0.0.1"
_TRAIL_LENGTH = 1000


@attrs.frozen
class Gateway:
    """The demo's gateway; `serving` ends when it was told to stop."""

    address: str
    data_dir: Path
    serving: "asyncio.Task[None]"


async def demo(*, port: int, once: bool, provider: str) -> bool:
    """Shows everything, then stays until it is interrupted unless `once`.

    False if it was interrupted before all was shown. CodaraError if a part fails; then, too,
    nothing is left running.
    """
    project, agent = tools.checkout(), AGENTS[provider]
    async with AsyncExitStack() as stack:
        data_dir = await stack.enter_async_context(fresh_folder(project))
        binary = await tools.program(project, agent)
        model_url = await stack.enter_async_context(model_server())
        settings = settings_for(data_dir, port, agent.settings(binary, model_url))
        gateway = await stack.enter_async_context(running_gateway(settings))
        key = await _unless_stopped(gateway, show(gateway, agent))
        if key is None:
            return False
        say(farewell(gateway, key, agent))
        if not once:
            say("\nIt stays up; stop it with Ctrl-C.\n")
            await gateway.serving
        return True


def settings_for(data_dir: Path, port: int, providers: Providers) -> Settings:
    """Loopback only, everything below the demo's own folder."""
    server = ServerSettings(host=LOOPBACK, port=port)
    return Settings.at(data_dir, server=server, providers=providers)


@asynccontextmanager
async def fresh_folder(project: Path | None) -> AsyncIterator[Path]:
    """`.codara/demo` of the project, emptied; without a project a folder that goes at the end."""
    if project is None:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="codara-demo-"))
    else:
        folder = project / ".codara" / "demo"
        running = await asyncio.to_thread(gateways.read, folder)
        if running is not None:
            raise CodaraError(f"A demo runs already at {running.address}; stop it first.")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await asyncio.to_thread(folder.mkdir, parents=True)
    try:
        yield folder
    finally:
        if project is None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """The scripted model server on a free port of loopback; gives its address."""
    runner = web.AppRunner(ModelServer().application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """The gateway in this process, stopped at the end; raises what its start raises."""
    ready: asyncio.Future[ServedGateway] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(
            Loaded(settings=settings, sources={}),
            accept_unjailed=False,
            on_ready=ready.set_result,
        )
    )
    try:
        begun: set[asyncio.Future[Any]] = {ready, serving}
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await serving
            raise CodaraError("The gateway stopped before it was ready.")
        yield Gateway(ready.result().address, settings.server.data_dir, serving)
    finally:
        serving.cancel()
        await asyncio.wait({serving})


async def _unless_stopped(gateway: Gateway, work: Coroutine[Any, Any, str]) -> str | None:
    """The result of `work`; None if the gateway was told to stop first."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, gateway.serving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        await gateway.serving
        return None
    finally:
        task.cancel()
        await asyncio.wait({task})


async def show(gateway: Gateway, agent: Agent) -> str:
    """A user, an account, two turns and their trail; gives the user's key."""
    running = await asyncio.to_thread(gateways.read, gateway.data_dir)
    if running is None:
        raise CodaraError("The gateway wrote no gateway.json.")
    say(f"The gateway listens on {gateway.address}; its data is in {gateway.data_dir}\n")
    async with remote(running) as client:
        user = {"email": "demo@codara.local", "display_name": "Demo"}
        made = await client.ask("POST", "/users", body=user)
        account = {
            "account_id": ACCOUNT,
            "provider": agent.provider,
            "auth_type": "API_KEY",
            "label": "Demo",
            "credential_text": CREDENTIAL,
        }
        await client.ask("POST", "/accounts/upload", body=account)
        key = str(made.data["api_key"]["raw_key"])
        async with conversation.client(gateway.address, key) as openai:
            position = await conversation.talk(openai, agent.model, say)
        rows = await listed(client, "/audit", _TRAIL_LENGTH, {"min_position": str(position)})
    say("\nWhat happened, as it stands in the log:\n\n")
    for line in trail.lines(rows):
        say(f"{line}\n")
    return key


def farewell(gateway: Gateway, key: str, agent: Agent) -> str:
    """Returns where to go on: the address, the key, and a line to try."""
    body = {
        "model": agent.model,
        "stream": True,
        "messages": [{"role": "user", "content": "Write a file notes.md."}],
    }
    return (
        f"\nURL  {gateway.address}/v1\nkey  {key}\n\n"
        f"curl -N {gateway.address}/v1/chat/completions -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'\n"
    )


def say(text: str) -> None:
    """Prints at once, as it comes."""
    print(text, end="", flush=True)
