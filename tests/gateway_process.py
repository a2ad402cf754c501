"""A real gateway in a process of its own, before it a real client, behind it a model server."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
from aiohttp import web
from openai import AsyncOpenAI

from codara.demo.modelserver import ModelServer
from tests.http_reply import Reply

ROOT = Path(__file__).parent.parent
CODEX = ROOT / "agents" / "node_modules" / ".bin" / "codex"
ACCOUNT = "acc-test"
SECRET = "sk-the-real-and-only-key"
START_SECONDS = 30.0


@attrs.define
class Gateway:
    """`codara serve` on a data folder that outlives it."""

    folder: Path
    models: ModelServer
    model_address: str
    settings: str = ""
    server: str = ""
    provider: str = ""
    binary: Path = CODEX
    flags: tuple[str, ...] = ()
    module: str = "codara"
    process: asyncio.subprocess.Process | None = None
    address: str = ""
    key: str = ""
    http: aiohttp.ClientSession = attrs.field(factory=aiohttp.ClientSession)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    async def start(self) -> "Gateway":
        """Starts it and waits until it is ready to take turns."""
        config = self.folder / "codara.toml"
        config.write_text(
            f'[server]\nport = 0\ndata_dir = "{self.data_dir}"\n{self.server}\n'
            f'[providers.codex]\nbinary = "{self.binary}"\n'
            f'base_url = "{self.model_address}/v1"\n{self.provider}\n{self.settings}\n'
        )
        log = (self.folder / "gateway.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module, "serve", "--config", str(config), *self.flags),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )
        log.close()
        async with asyncio.timeout(START_SECONDS):
            self.address = await self._announced()
        return self

    async def _announced(self) -> str:
        while True:
            assert self.process is not None
            if self.process.returncode is not None:
                raise AssertionError(f"the gateway did not start:\n{self.output()}")
            try:
                said = json.loads((self.data_dir / "gateway.json").read_text())
            except (OSError, ValueError):
                said = {}
            if said.get("pid") == self.process.pid:
                return str(said["address"])
            await asyncio.sleep(0.02)

    def output(self) -> str:
        """What the gateway printed, over all its starts."""
        return (self.folder / "gateway.log").read_text()

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def operator(self, method: str, path: str, body: Any = None) -> Reply:
        """A call on the management plane."""
        token = json.loads((self.data_dir / "gateway.json").read_text())["token"]
        return await self.call(method, f"/management/v1{path}", body, token)

    async def user(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A call with the user's key."""
        return await self.call(method, path, body, self.key, headers)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Any call."""
        given = dict(headers or {})
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        stream = None if data is None else io.BytesIO(data)
        async with self.http.request(
            method, self.address + path, data=stream, headers=given
        ) as response:
            text = await response.read()
            return Reply(response.status, json.loads(text) if text else None, response.headers)

    async def furnish(self) -> None:
        """A user with a key, and an account."""
        made = await self.operator("POST", "/users", {"email": "ada@example.org"})
        self.key = made.data["api_key"]["raw_key"]
        account = {
            "account_id": ACCOUNT,
            "provider": "codex",
            "auth_type": "API_KEY",
            "label": "test",
            "credential_text": SECRET,
        }
        assert (await self.operator("POST", "/accounts/upload", account)).status == 201

    async def learnt(self) -> None:
        """Waits until the agent that has an account is known by its models, and gone again."""
        async with asyncio.timeout(START_SECONDS):
            while not (self.data_dir / "models.json").exists():
                await asyncio.sleep(0.02)

    def openai(self, **options: Any) -> AsyncOpenAI:
        """The official client."""
        options.setdefault("max_retries", 0)
        return AsyncOpenAI(base_url=f"{self.address}/v1", api_key=self.key, **options)

    async def chat(self, text: str, **fields: Any) -> Reply:
        """One turn, not streamed, in the session `default` unless told otherwise."""
        headers = fields.pop("headers", {})
        body = {
            "client_session_id": "default",
            "model": "codex/gpt-5-codex",
            "messages": [{"role": "user", "content": text}],
            **fields,
        }
        return await self.user("POST", "/v1/chat/completions", body, **headers)

    async def close(self) -> None:
        """Stops it, however it is."""
        await self.http.close()
        if self.process is not None and self.process.returncode is None:
            await self.stop()


@asynccontextmanager
async def gateway(folder: Path, **fields: Any) -> AsyncIterator[Gateway]:
    """A gateway with a user and an account, and its model server."""
    models = ModelServer()
    runner = web.AppRunner(models.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made = Gateway(folder, models, f"http://127.0.0.1:{runner.addresses[0][1]}", **fields)
    try:
        await made.start()
        await made.furnish()
        yield made
    finally:
        await made.close()
        await runner.cleanup()


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
